// Everything about one chosen stream: sync mode, cursor, key, table, fields, and its first rows.

import {
  Alert,
  Badge,
  Button,
  Collapse,
  Drawer,
  Group,
  MultiSelect,
  Radio,
  Select,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";

import { ErrorNotice, Waiting } from "../../parts/Notice";
import { useFields } from "./calls";
import {
  FIRST_MODES,
  FURTHER_MODES,
  canBe,
  cursorOf,
  isIncremental,
  isKeyed,
  lackOf,
  primaryKeyOf,
  titleOf,
  withChoice,
  type Entry,
  type Field,
  type Mode,
} from "./choices";
import { FieldList } from "./FieldList";
import { FirstRows } from "./FirstRows";
import { words } from "./words";

/** Of thousands of fields a list to choose from shows so many; typing finds the others. */
const SHOWN_OPTIONS = 100;

export function StreamDetails(props: {
  sourceId: string;
  entry: Entry;
  table: string | undefined;
  onChange: (entry: Entry) => void;
  onClose: () => void;
}) {
  const { sourceId, entry, table, onChange, onClose } = props;
  const { found, choice, isTaken } = entry;
  const fields = useFields(sourceId, choice, found !== undefined);
  const lack = lackOf(entry);
  const change = (part: Partial<typeof choice>) => onChange(withChoice(entry, part));
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="xl"
      title={<Text fw={700}>{titleOf(choice)}</Text>}
      closeButtonProps={{ "aria-label": words.details.close }}
    >
      <Stack gap="lg">
        <Switch
          label={words.details.chosen}
          checked={isTaken}
          onChange={(event) => onChange({ ...entry, isTaken: event.currentTarget.checked })}
        />
        {lack && (
          <Alert color="orange" role="status">
            {lack}
          </Alert>
        )}
        <Modes entry={entry} onMode={(mode) => change({ mode })} />
        {fields.isError && <ErrorNotice error={fields.error} again={() => void fields.refetch()} />}
        {fields.isFetching && !fields.data && <Waiting />}
        {found && fields.data && (
          <>
            {isIncremental(choice.mode) && (
              <Cursor
                entry={entry}
                fields={fields.data}
                onChange={(name) => change({ cursor_field: name === null ? [] : [name] })}
              />
            )}
            {isKeyed(choice.mode) && (
              <Key
                entry={entry}
                fields={fields.data}
                onChange={(names) => change({ primary_key: names.map((name) => [name]) })}
              />
            )}
            <TextInput
              label={words.details.table}
              description={words.details.tableSays}
              placeholder={table ?? choice.name}
              value={choice.destination_object_name ?? ""}
              onChange={(event) => {
                const name = event.currentTarget.value;
                change({ destination_object_name: name.trim() === "" ? null : name });
              }}
            />
            <FieldList
              entry={entry}
              fields={fields.data}
              onChange={(selected) => change({ selected_fields: selected })}
            />
          </>
        )}
        {found && <FirstRows sourceId={sourceId} choice={choice} isMapped={false} />}
        <Group justify="end">
          <Button onClick={onClose}>{words.details.close}</Button>
        </Group>
      </Stack>
    </Drawer>
  );
}

function Modes({ entry, onMode }: { entry: Entry; onMode: (mode: Mode) => void }) {
  const { choice, found } = entry;
  const isFurther = (FURTHER_MODES as readonly Mode[]).includes(choice.mode);
  const [isOpen, { toggle }] = useDisclosure(isFurther);
  const card = (mode: Mode) => {
    const isPossible = canBe(found, mode);
    return (
      <Radio
        key={mode}
        value={mode}
        disabled={!isPossible}
        label={words.modes[mode].label}
        description={isPossible ? words.modes[mode].says : words.notIncremental}
      />
    );
  };
  return (
    <Radio.Group
      label={
        <Title order={3} size="h5" mb={6} component="span">
          {words.details.mode}
        </Title>
      }
      value={choice.mode}
      onChange={(value) => onMode(value)}
    >
      <Stack gap="sm">
        {FIRST_MODES.map(card)}
        <div>
          <Button size="compact-sm" variant="subtle" onClick={toggle} aria-expanded={isOpen}>
            {words.details.further}
          </Button>
        </div>
        <Collapse expanded={isOpen}>
          <Stack gap="sm">{FURTHER_MODES.map(card)}</Stack>
        </Collapse>
      </Stack>
    </Radio.Group>
  );
}

function Cursor(props: { entry: Entry; fields: Field[]; onChange: (name: string | null) => void }) {
  const { entry, fields, onChange } = props;
  const now = cursorOf(entry);
  if (entry.found?.source_defined_cursor)
    return (
      <div>
        <Text fw={500} size="sm">
          {words.details.cursor}
        </Text>
        <Text size="sm" c="dimmed">
          {words.details.cursorBySource} {now.length > 0 && <code>{now.join(".")}</code>}
        </Text>
      </div>
    );
  return (
    <Select
      label={words.details.cursor}
      description={words.details.cursorSays}
      data={names(fields)}
      limit={SHOWN_OPTIONS}
      searchable
      error={now.length === 0 ? words.needsCursor : undefined}
      value={now[0] ?? null}
      onChange={onChange}
    />
  );
}

function Key(props: { entry: Entry; fields: Field[]; onChange: (names: string[]) => void }) {
  const { entry, fields, onChange } = props;
  const fixed = entry.found?.source_defined_primary_key ?? [];
  if (fixed.length > 0)
    return (
      <div>
        <Text fw={500} size="sm">
          {words.details.key}
        </Text>
        <Group gap="xs">
          <Text size="sm" c="dimmed">
            {words.details.keyBySource}
          </Text>
          {fixed.map((path) => (
            <Badge key={path.join(".")} variant="default" tt="none">
              {path.join(".")}
            </Badge>
          ))}
        </Group>
      </div>
    );
  const now = primaryKeyOf(entry).map((path) => path[0] ?? "");
  return (
    <MultiSelect
      label={words.details.key}
      description={words.details.keySays}
      data={names(fields)}
      limit={SHOWN_OPTIONS}
      searchable
      error={now.length === 0 ? words.needsKey : undefined}
      value={now}
      onChange={onChange}
    />
  );
}

const names = (fields: Field[]) => fields.map((field) => field.path[0] ?? "");
