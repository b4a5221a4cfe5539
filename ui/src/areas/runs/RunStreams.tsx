// The streams of a run, those under way first, quick with 10,000 of them.

import { Paper, Table, Text, Title } from "@mantine/core";

import { Status } from "../../parts/Status";
import { bytes, count } from "../../parts/format";
import { WindowedTable } from "../../parts/windowed";
import type { Run } from "./calls";
import { StreamProgress } from "./StreamProgress";
import { words } from "./words";

const ROW = 44;
const FIGURE = { fontVariantNumeric: "tabular-nums" } as const;
const ORDER = ["running", "failed", "incomplete", "waiting", "complete"];

export function RunStreams({ run }: { run: Run }) {
  const streams = [...(run.attempts.at(-1)?.streams ?? [])].sort(
    (one, other) => ORDER.indexOf(one.status) - ORDER.indexOf(other.status),
  );
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="sm">
        {words.streams}
      </Title>
      {streams.length === 0 && <Text c="dimmed">{words.noFigures}</Text>}
      {streams.length > 0 && (
        <WindowedTable label={words.streams} rows={streams} rowHeight={ROW} maxHeight={420}>
          {(drawn, above, below) => (
            <Table stickyHeader miw={640}>
              <Table.Thead style={{ background: "var(--mantine-color-body)" }}>
                <Table.Tr>
                  <Table.Th>{words.stream}</Table.Th>
                  <Table.Th>{words.proof.status}</Table.Th>
                  <Table.Th w={160}>{words.progress}</Table.Th>
                  <Table.Th ta="right">{words.proof.read}</Table.Th>
                  <Table.Th ta="right">{words.proof.committed}</Table.Th>
                  <Table.Th ta="right">{words.proof.volume}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {above}
                {drawn.map(({ row }) => (
                  <Table.Tr key={`${row.namespace ?? ""} ${row.name}`} h={ROW}>
                    <Table.Td>
                      {row.namespace ? `${row.namespace}.` : ""}
                      {row.name}
                    </Table.Td>
                    <Table.Td>
                      <Status value={row.status} />
                    </Table.Td>
                    <Table.Td>
                      <StreamProgress figures={row} />
                    </Table.Td>
                    <Table.Td ta="right" style={FIGURE}>
                      {count(row.rows_read)}
                    </Table.Td>
                    <Table.Td ta="right" style={FIGURE}>
                      {count(row.rows_committed)}
                    </Table.Td>
                    <Table.Td ta="right" style={FIGURE}>
                      {bytes(row.bytes_read)}
                    </Table.Td>
                  </Table.Tr>
                ))}
                {below}
              </Table.Tbody>
            </Table>
          )}
        </WindowedTable>
      )}
    </Paper>
  );
}
