// The streams of a connection as a table that stays quick with 10,000 of them: search, filter, bulk.

import {
  ActionIcon,
  Alert,
  Button,
  Checkbox,
  Group,
  Menu,
  NativeSelect,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconChevronDown, IconPencil, IconSearch } from "@tabler/icons-react";
import { useDeferredValue, useMemo, useState } from "react";

import { WindowedTable } from "../../parts/windowed";
import { BulkFields } from "./BulkFields";
import {
  MODES,
  canBe,
  changedKeys,
  cursorOf,
  isIncremental,
  isKeyed,
  lackOf,
  primaryKeyOf,
  titleOf,
  withChoice,
  withEntries,
  withMode,
  type Draft,
  type Entry,
  type Mode,
} from "./choices";
import { StreamDetails } from "./StreamDetails";
import classes from "./StreamTable.module.css";
import { words } from "./words";

const ROW = 52;
type Filter = keyof typeof words.streams.filters;
const FILTERS = Object.entries(words.streams.filters).map(([value, label]) => ({ value, label }));

export interface StreamTableProps {
  sourceId: string;
  draft: Draft;
  onDraft: (draft: Draft) => void;
  /** What is saved, to show what differs; the same as `draft` at first. */
  saved: Draft;
  /** Table names by key, as the destination will write them, where they are known. */
  tables: ReadonlyMap<string, string>;
  /** The stream whose details are open, by its key; in the address, so that it can be linked. */
  open: string | undefined;
  onOpen: (key: string | undefined) => void;
}

export function StreamTable(props: StreamTableProps) {
  const { sourceId, draft, onDraft, saved, tables, open, onOpen } = props;
  const [search, setSearch] = useState("");
  const [filter, setFilter] = useState<Filter>("all");
  const [notice, setNotice] = useState("");
  const [isBulk, setIsBulk] = useState(false);
  // Typing stays quick: the table follows when there is time.
  const wanted = useDeferredValue(search.trim().toLowerCase());
  const entries = useMemo(() => [...draft.values()], [draft]);
  const lacking = useMemo(() => entries.filter((entry) => lackOf(entry) !== undefined), [entries]);
  const changed = useMemo(() => new Set(changedKeys(saved, draft)), [saved, draft]);
  const shown = useMemo(
    () =>
      entries.filter(
        (entry) =>
          titleOf(entry.choice).toLowerCase().includes(wanted) && fits(entry, filter, changed),
      ),
    [entries, wanted, filter, changed],
  );
  const taken = shown.filter((entry) => entry.isTaken).length;
  const all = entries.filter((entry) => entry.isTaken).length;
  const keys = () => shown.map((entry) => entry.key);
  const change = (entry: Entry, next: Entry) =>
    onDraft(withEntries(draft, [entry.key], () => next));
  const take = (isTaken: boolean) =>
    onDraft(withEntries(draft, keys(), (entry) => ({ ...entry, isTaken })));
  const setMode = (mode: Mode) => {
    const [next, kept] = withMode(draft, keys(), mode);
    onDraft(next);
    setNotice(kept > 0 ? words.streams.kept(kept) : "");
  };
  const opened = open === undefined ? undefined : draft.get(open);
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="sm" align="baseline">
          <Title order={2} size="h4">
            {words.streams.title}
          </Title>
          <Text size="sm" c="dimmed" aria-live="polite">
            {words.streams.chosen(all, entries.length)}
          </Text>
        </Group>
        <Group gap="xs">
          <TextInput
            aria-label={words.streams.search}
            placeholder={words.streams.search}
            leftSection={<IconSearch size={16} />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <NativeSelect
            aria-label={words.streams.show}
            data={FILTERS}
            value={filter}
            onChange={(event) => setFilter(event.currentTarget.value as Filter)}
          />
          <Menu position="bottom-end" withinPortal>
            <Menu.Target>
              <Button
                variant="default"
                disabled={shown.length === 0}
                rightSection={<IconChevronDown size={16} />}
              >
                {words.streams.change(shown.length)}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => take(true)}>{words.streams.take}</Menu.Item>
              <Menu.Item onClick={() => take(false)}>{words.streams.leave}</Menu.Item>
              <Menu.Item onClick={() => setIsBulk(true)}>{words.streams.setCursor}</Menu.Item>
              <Menu.Divider />
              <Menu.Label>{words.streams.setMode}</Menu.Label>
              {MODES.map((mode) => (
                <Menu.Item key={mode} onClick={() => setMode(mode)}>
                  {words.modes[mode].label}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        </Group>
      </Group>
      {notice !== "" && (
        <Alert
          color="yellow"
          withCloseButton
          closeButtonLabel={words.streams.closeNotice}
          onClose={() => setNotice("")}
          role="status"
        >
          {notice}
        </Alert>
      )}
      {isBulk && (
        <BulkFields
          sourceId={sourceId}
          draft={draft}
          entries={shown}
          onDone={(next, says) => {
            if (next) onDraft(next);
            setNotice(says);
            setIsBulk(false);
          }}
        />
      )}
      {lacking.length > 0 && filter !== "problem" && (
        <Alert color="orange" role="status">
          <Group justify="space-between">
            <Text size="sm">{words.streams.incomplete(lacking.length)}</Text>
            <Button size="xs" variant="default" onClick={() => setFilter("problem")}>
              {words.streams.showThem}
            </Button>
          </Group>
        </Alert>
      )}
      <WindowedTable
        label={words.streams.title}
        rows={shown}
        rowHeight={ROW}
        maxHeight="max(320px, 60vh)"
        {...(opened ? { shownIndex: shown.indexOf(opened) } : {})}
      >
        {(drawn, above, below) => (
          <Table stickyHeader miw={860} layout="fixed" aria-rowcount={shown.length + 1}>
            <Table.Thead className={classes.head}>
              <Table.Tr>
                <Table.Th w={44}>
                  <Checkbox
                    aria-label={words.streams.allShown}
                    checked={shown.length > 0 && taken === shown.length}
                    indeterminate={taken > 0 && taken < shown.length}
                    disabled={shown.length === 0}
                    onChange={(event) => take(event.currentTarget.checked)}
                  />
                </Table.Th>
                <Table.Th>{words.streams.columns.stream}</Table.Th>
                <Table.Th w={270}>{words.streams.columns.mode}</Table.Th>
                <Table.Th w={130}>{words.streams.columns.cursor}</Table.Th>
                <Table.Th w={130}>{words.streams.columns.key}</Table.Th>
                <Table.Th>{words.streams.columns.table}</Table.Th>
                <Table.Th w={56}>
                  <span className={classes.hidden}>{words.streams.columns.edit}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {above}
              {drawn.map(({ row, index }) => (
                <Row
                  key={row.key}
                  entry={row}
                  number={index + 2}
                  table={tables.get(row.key)}
                  isChanged={changed.has(row.key)}
                  onChange={(next) => change(row, next)}
                  onOpen={() => onOpen(row.key)}
                />
              ))}
              {below}
            </Table.Tbody>
          </Table>
        )}
      </WindowedTable>
      {shown.length === 0 && <Text c="dimmed">{words.streams.none}</Text>}
      {opened && (
        <StreamDetails
          key={opened.key}
          sourceId={sourceId}
          entry={opened}
          table={tables.get(opened.key)}
          onChange={(next) => change(opened, next)}
          onClose={() => onOpen(undefined)}
        />
      )}
    </Stack>
  );
}

function fits(entry: Entry, filter: Filter, changed: ReadonlySet<string>): boolean {
  if (filter === "taken") return entry.isTaken;
  if (filter === "left") return !entry.isTaken;
  if (filter === "problem") return lackOf(entry) !== undefined;
  return filter === "all" || changed.has(entry.key);
}

function Row(props: {
  entry: Entry;
  number: number;
  table: string | undefined;
  isChanged: boolean;
  onChange: (entry: Entry) => void;
  onOpen: () => void;
}) {
  const { entry, number, table, isChanged, onChange, onOpen } = props;
  const { found, choice, isTaken } = entry;
  const title = titleOf(choice);
  const lack = lackOf(entry);
  const fields = found?.fields ?? 0;
  const some = choice.selected_fields?.length;
  return (
    <Table.Tr h={ROW} aria-rowindex={number} className={isChanged ? classes.changed : undefined}>
      <Table.Td>
        <Checkbox
          aria-label={words.streams.takeOne(title)}
          checked={isTaken}
          onChange={(event) => onChange({ ...entry, isTaken: event.currentTarget.checked })}
        />
      </Table.Td>
      <Table.Td>
        <Text fw={600} size="sm" truncate title={title} {...(isTaken ? {} : { c: "dimmed" })}>
          {title}
        </Text>
        <Text
          size="xs"
          truncate
          {...(lack ? { c: "var(--mantine-color-error)", title: lack } : { c: "dimmed" })}
        >
          {lack ??
            (some === undefined
              ? words.streams.fields(fields)
              : words.streams.someFields(some, fields))}
        </Text>
      </Table.Td>
      <Table.Td>
        <NativeSelect
          size="xs"
          aria-label={words.streams.modeOf(title)}
          disabled={!isTaken}
          value={choice.mode}
          data={MODES.map((mode) => ({
            value: mode,
            label: words.modes[mode].label,
            disabled: !canBe(found, mode),
          }))}
          onChange={(event) =>
            onChange(withChoice(entry, { mode: event.currentTarget.value as Mode }))
          }
        />
      </Table.Td>
      <Table.Td>
        <Named
          is={isIncremental(choice.mode) && isTaken}
          names={[cursorOf(entry).join(".")]}
          isFixed={found?.source_defined_cursor ?? false}
          onOpen={onOpen}
        />
      </Table.Td>
      <Table.Td>
        <Named
          is={isKeyed(choice.mode) && isTaken}
          names={primaryKeyOf(entry).map((path) => path.join("."))}
          isFixed={(found?.source_defined_primary_key.length ?? 0) > 0}
          onOpen={onOpen}
        />
      </Table.Td>
      <Table.Td>
        <Text ff="monospace" fz="sm" truncate title={table}>
          {isTaken ? table : ""}
        </Text>
      </Table.Td>
      <Table.Td>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={words.streams.detailsOf(title)}
          onClick={onOpen}
        >
          <IconPencil size={17} />
        </ActionIcon>
      </Table.Td>
    </Table.Tr>
  );
}

/** A cursor or key: which it is, or that one is to be chosen. */
function Named(props: { is: boolean; names: string[]; isFixed: boolean; onOpen: () => void }) {
  const text = props.names.filter((name) => name !== "").join(", ");
  if (!props.is) return <Text c="dimmed">–</Text>;
  if (text === "" && !props.isFixed)
    return (
      <Button size="compact-xs" color="orange" variant="light" onClick={props.onOpen}>
        {words.streams.missing}
      </Button>
    );
  return (
    <Text fz="sm" ff={text === "" ? undefined : "monospace"} truncate title={text}>
      {text === "" ? words.streams.bySource : text}
    </Text>
  );
}
