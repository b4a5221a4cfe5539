// Tables by name, with what each holds once that is known.

import { Anchor, Table, Text } from "@mantine/core";

import type { Schemas } from "../../api/client";
import { WindowedTable } from "../../parts/windowed";
import { ago, at, count } from "../../parts/format";
import { words } from "./words";

export type Name = Schemas["NameShown"];
export type Found = Schemas["TableShown"];

/** Tells the streams of one connection apart. */
export const keyOf = (name: Name) => JSON.stringify([name.namespace, name.stream]);

export function TableList(props: {
  label?: string;
  names: Name[];
  known: Map<string, Found>;
  isWaiting: boolean;
  open: Name | undefined;
  choose: ((name: Name) => void) | undefined;
}) {
  const { label = words.tables.title, names, known, isWaiting, open, choose } = props;
  const openKey = open && keyOf(open);
  return (
    <WindowedTable label={label} rows={names} rowHeight={44} maxHeight={440}>
      {(drawn, above, below) => (
        <Table miw={640} stickyHeader aria-rowcount={names.length}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{words.tables.columns.stream}</Table.Th>
              <Table.Th>{words.tables.columns.table}</Table.Th>
              <Table.Th ta="right">{words.tables.columns.rows}</Table.Th>
              <Table.Th>{words.tables.columns.newest}</Table.Th>
              <Table.Th>{words.tables.columns.committed}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {above}
            {drawn.map(({ row: name }) => {
              const key = keyOf(name);
              const table = known.get(key);
              return (
                <Table.Tr key={key} {...(key === openKey ? { "aria-current": true } : {})}>
                  <Table.Td>
                    {choose ? (
                      <Anchor
                        component="button"
                        type="button"
                        size="sm"
                        fw={key === openKey ? 700 : 500}
                        aria-label={words.tables.see(name.stream)}
                        onClick={() => choose(name)}
                      >
                        {name.stream}
                      </Anchor>
                    ) : (
                      name.stream
                    )}
                  </Table.Td>
                  <Table.Td ff="monospace">
                    {name.schema_name === null ? name.table : `${name.schema_name}.${name.table}`}
                    {name.is_shared && (
                      <Text size="xs" c="var(--mantine-color-error)">
                        {words.tables.shared}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td ta="right" style={{ fontVariantNumeric: "tabular-nums" }}>
                    <RowCount table={table} isWaiting={isWaiting} />
                  </Table.Td>
                  <Table.Td>
                    <Moment instant={table?.newest_at ?? null} />
                  </Table.Td>
                  <Table.Td>
                    <Moment instant={table?.committed_at ?? null} />
                  </Table.Td>
                </Table.Tr>
              );
            })}
            {below}
          </Table.Tbody>
        </Table>
      )}
    </WindowedTable>
  );
}

function RowCount({ table, isWaiting }: { table: Found | undefined; isWaiting: boolean }) {
  if (!table) return isWaiting ? words.tables.counting : null;
  if (table.failure)
    return (
      <Text size="sm" c="var(--mantine-color-error)" title={table.failure.message}>
        {table.failure.code}
      </Text>
    );
  if (table.exists === false)
    return (
      <Text size="sm" c="dimmed">
        {words.tables.notThere}
      </Text>
    );
  return count(table.rows);
}

function Moment({ instant }: { instant: string | null }) {
  return instant === null ? null : <span title={at(instant)}>{ago(instant)}</span>;
}
