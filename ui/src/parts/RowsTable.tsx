// Rows of a stream or a table as they are: nulls told from empty texts, nested values as JSON.

import { Table, Text } from "@mantine/core";

import type { Schemas } from "../api/client";
import { Tall } from "./Tall";

const LONGEST = 200;

export function RowsTable({ rows, label }: { rows: Schemas["RowsShown"]; label: string }) {
  return (
    <Tall label={label}>
      <Table striped withColumnBorders fz="xs" stickyHeader>
        <Table.Thead>
          <Table.Tr>
            {rows.columns.map((column) => (
              <Table.Th key={column.name} style={{ whiteSpace: "nowrap" }}>
                <Text fz="xs" fw={700} ff="monospace">
                  {column.name}
                </Text>
                <Text fz="xs" c="dimmed">
                  {column.type}
                </Text>
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.rows.map((row, number) => (
            <Table.Tr key={number}>
              {row.map((value, at) => (
                <Table.Td key={at} ff="monospace" style={{ whiteSpace: "nowrap" }}>
                  <Value value={value} />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Tall>
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null || value === undefined)
    return (
      <Text span fz="xs" c="dimmed" fs="italic">
        null
      </Text>
    );
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text.length <= LONGEST) return text;
  return <span title={text}>{`${text.slice(0, LONGEST)}…`}</span>;
}
