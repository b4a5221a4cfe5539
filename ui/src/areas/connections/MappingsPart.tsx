// What happens to rows on their way, stream by stream, with a preview of how they arrive.

import {
  ActionIcon,
  Alert,
  Button,
  Group,
  Menu,
  Paper,
  Select,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { useAddress } from "../../parts/address";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { useCatalog, useChange, useFields, type Catalog } from "./calls";
import { draftOf, takenChoices, titleOf, type Choice, type Entry } from "./choices";
import type { PartProps } from "./ConnectionPage";
import { FirstRows } from "./FirstRows";
import { MapperForm } from "./MapperForm";
import { TYPES, fresh, heldOf, isComplete, mapperOf, type Held } from "./mappers";
import { words } from "./words";

export default function MappingsPart({ connection }: PartProps) {
  const catalog = useCatalog(connection.source_id);
  if (connection.settings.normalisation === "raw")
    return (
      <Alert color="blue" role="status">
        {words.mappings.raw}
      </Alert>
    );
  if (catalog.isPending) return <Waiting text={words.schema.asking} />;
  if (catalog.isError)
    return <ErrorNotice error={catalog.error} again={() => void catalog.refetch()} />;
  return <Streams connection={connection} catalog={catalog.data} />;
}

function Streams({ connection, catalog }: PartProps & { catalog: Catalog }) {
  const draft = draftOf(catalog.streams, connection.streams);
  const entries = [...draft.values()].filter((entry) => entry.isTaken && entry.found);
  const [asked, setAsked] = useAddress("stream");
  const entry =
    entries.find((each) => each.key === asked) ??
    entries.find((each) => each.choice.mappers.length > 0) ??
    entries[0];
  return (
    <Stack>
      <Text size="sm" maw={760}>
        {words.mappings.about}
      </Text>
      <Select
        maw={420}
        label={words.mappings.stream}
        searchable
        limit={100}
        allowDeselect={false}
        data={entries.map((each) => ({
          value: each.key,
          label: titleOf(each.choice) + words.mappings.withMappings(each.choice.mappers.length),
        }))}
        value={entry?.key ?? null}
        onChange={(key) => setAsked(key ?? undefined)}
      />
      {entry && (
        <Mappers
          key={`${entry.key} ${JSON.stringify(entry.choice.mappers)}`}
          connection={connection}
          entry={entry}
          choices={takenChoices(draft)}
        />
      )}
    </Stack>
  );
}

function Mappers(props: PartProps & { entry: Entry; choices: Choice[] }) {
  const { connection, entry, choices } = props;
  const [held, setHeld] = useState<Held[]>(entry.choice.mappers.map(heldOf));
  const change = useChange(connection.id);
  const fields = useFields(connection.source_id, entry.choice);
  const mappers = held.map(mapperOf);
  const isTouched = JSON.stringify(mappers) !== JSON.stringify(entry.choice.mappers);
  const isWhole = held.every(isComplete);
  const choice = { ...entry.choice, mappers };
  const names = (fields.data ?? []).map((field) => field.path[0] ?? "");
  const put = (at: number, next: Held) =>
    setHeld(held.map((each, index) => (index === at ? next : each)));
  const swap = (at: number, other: number) => {
    const next = [...held];
    const [one, two] = [next[at], next[other]];
    if (one === undefined || two === undefined) return;
    next[at] = two;
    next[other] = one;
    setHeld(next);
  };
  return (
    <Stack>
      {fields.isError && <ErrorNotice error={fields.error} />}
      {held.length === 0 && <Text c="dimmed">{words.mappings.none}</Text>}
      {held.map((each, at) => {
        const title = words.mappings.types[each.type] ?? each.type;
        return (
          <Paper withBorder p="md" key={at} component="section" aria-label={title}>
            <Group justify="space-between" mb="sm">
              <Title order={2} size="h5">
                {at + 1}. {title}
              </Title>
              <Group gap={4}>
                <Tool
                  label={`${words.mappings.up}: ${title}`}
                  disabled={at === 0}
                  onClick={() => swap(at, at - 1)}
                >
                  <IconArrowUp size={16} />
                </Tool>
                <Tool
                  label={`${words.mappings.down}: ${title}`}
                  disabled={at === held.length - 1}
                  onClick={() => swap(at, at + 1)}
                >
                  <IconArrowDown size={16} />
                </Tool>
                <Tool
                  label={`${words.mappings.remove}: ${title}`}
                  onClick={() => setHeld(held.filter((_, index) => index !== at))}
                >
                  <IconTrash size={16} />
                </Tool>
              </Group>
            </Group>
            <MapperForm held={each} fields={names} onHeld={(next) => put(at, next)} />
          </Paper>
        );
      })}
      <Group>
        <Menu position="bottom-start">
          <Menu.Target>
            <Button variant="default" leftSection={<IconPlus size={16} />}>
              {words.mappings.add}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {TYPES.map((type) => (
              <Menu.Item key={type} onClick={() => setHeld([...held, fresh(type)])}>
                {words.mappings.types[type]}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
        <Button
          disabled={!isTouched || !isWhole}
          loading={change.isPending}
          onClick={() =>
            change.mutate({
              streams: choices.map((each) =>
                each.name === choice.name && (each.namespace ?? null) === (choice.namespace ?? null)
                  ? choice
                  : each,
              ),
            })
          }
        >
          {words.mappings.save}
        </Button>
        {isTouched && (
          <Text size="sm" c="dimmed">
            {words.mappings.unsaved}
          </Text>
        )}
      </Group>
      {change.isError && <ErrorNotice error={change.error} />}
      {isWhole && (
        <FirstRows
          sourceId={connection.source_id}
          choice={choice}
          isMapped
          connectionId={connection.id}
        />
      )}
    </Stack>
  );
}

function Tool(props: {
  label: string;
  disabled?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={props.label}
      disabled={props.disabled ?? false}
      onClick={props.onClick}
    >
      {props.children}
    </ActionIcon>
  );
}
