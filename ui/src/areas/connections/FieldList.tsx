// The fields of a stream to load, quick with 5,000 of them.

import {
  Badge,
  Button,
  Checkbox,
  Group,
  Stack,
  Switch,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useDeferredValue, useMemo, useState } from "react";

import { WindowedTable } from "../../parts/windowed";
import {
  cursorOf,
  isIncremental,
  isKeyed,
  primaryKeyOf,
  type Entry,
  type Field,
  type FieldPath,
} from "./choices";
import { words } from "./words";

const ROW = 40;

export function FieldList(props: {
  entry: Entry;
  fields: Field[];
  /** null: all fields, those to come too. */
  onChange: (selected: FieldPath[] | null) => void;
}) {
  const { entry, fields, onChange } = props;
  const [search, setSearch] = useState("");
  const wanted = useDeferredValue(search.trim().toLowerCase());
  const selected = entry.choice.selected_fields ?? null;
  const shown = useMemo(
    () => fields.filter((field) => nameOf(field).toLowerCase().includes(wanted)),
    [fields, wanted],
  );
  const chosen = useMemo(
    () => new Set(selected === null ? fields.map(nameOf) : selected.map((path) => path[0] ?? "")),
    [selected, fields],
  );
  const needed = neededOf(entry);
  const set = (names: Iterable<string>, isChosen: boolean) => {
    const next = new Set(chosen);
    for (const name of names)
      if (isChosen) next.add(name);
      else if (!needed.has(name)) next.delete(name);
    // In the source's order; a nested choice of before stays what it was.
    const paths = new Map((selected ?? []).map((path) => [path[0] ?? "", path]));
    onChange(
      fields
        .map(nameOf)
        .filter((name) => next.has(name))
        .map((name) => paths.get(name) ?? [name]),
    );
  };
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={3} size="h5">
          {words.details.fields}
        </Title>
        <Text size="sm" c="dimmed" aria-live="polite">
          {words.streams.someFields(chosen.size, fields.length)}
        </Text>
      </Group>
      <Switch
        label={words.details.everyField}
        checked={selected === null}
        onChange={(event) =>
          onChange(event.currentTarget.checked ? null : fields.map((field) => field.path))
        }
      />
      <Group gap="xs">
        <TextInput
          size="xs"
          aria-label={words.details.searchFields}
          placeholder={words.details.searchFields}
          leftSection={<IconSearch size={14} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <Button size="xs" variant="default" onClick={() => set(shown.map(nameOf), true)}>
          {words.details.takeShown}
        </Button>
        <Button size="xs" variant="default" onClick={() => set(shown.map(nameOf), false)}>
          {words.details.leaveShown}
        </Button>
      </Group>
      {shown.length === 0 && <Text c="dimmed">{words.details.noField}</Text>}
      <WindowedTable label={words.details.fields} rows={shown} rowHeight={ROW} maxHeight={320}>
        {(drawn, above, below) => (
          <Table layout="fixed">
            <Table.Tbody>
              {above}
              {drawn.map(({ row }) => {
                const name = nameOf(row);
                const isNeeded = needed.has(name);
                return (
                  <Table.Tr key={name} h={ROW}>
                    <Table.Td w={40}>
                      <Checkbox
                        size="xs"
                        aria-label={words.details.takeField(name)}
                        checked={isNeeded || chosen.has(name)}
                        disabled={isNeeded}
                        onChange={(event) => set([name], event.currentTarget.checked)}
                      />
                    </Table.Td>
                    <Table.Td>
                      <Group gap="xs" wrap="nowrap">
                        <Text size="sm" ff="monospace" truncate title={name}>
                          {name}
                        </Text>
                        {isNeeded && (
                          <Badge size="xs" variant="default" tt="none">
                            {words.details.needed}
                          </Badge>
                        )}
                      </Group>
                    </Table.Td>
                    <Table.Td w={170}>
                      <Text size="xs" c="dimmed" truncate>
                        {row.type}
                      </Text>
                    </Table.Td>
                  </Table.Tr>
                );
              })}
              {below}
            </Table.Tbody>
          </Table>
        )}
      </WindowedTable>
    </Stack>
  );
}

const nameOf = (field: Field) => field.path[0] ?? "";

/** Returns the fields without which a stream cannot be read as it is chosen. */
function neededOf(entry: Entry): ReadonlySet<string> {
  const { mode } = entry.choice;
  return new Set([
    ...(isIncremental(mode) ? cursorOf(entry).slice(0, 1) : []),
    ...(isKeyed(mode) ? primaryKeyOf(entry).flatMap((path) => path.slice(0, 1)) : []),
  ]);
}
