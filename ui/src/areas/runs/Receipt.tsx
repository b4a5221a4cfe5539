// The receipt of a run as the visible proof: read = sent = committed, stream by stream.

import { Group, Paper, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheckFilled } from "@tabler/icons-react";

import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Status } from "../../parts/Status";
import { count } from "../../parts/format";
import { WindowedTable } from "../../parts/windowed";
import { useReceipt } from "./calls";
import { isProved, verdictOf } from "./proof";
import { words } from "./words";

const ROW = 44;
const FIGURE = { fontVariantNumeric: "tabular-nums" } as const;

export function Receipt({ runId }: { runId: number }) {
  const receipt = useReceipt(runId);
  if (receipt.isPending) return <Waiting text={words.proof.wait} />;
  if (receipt.isError) return <ErrorNotice error={receipt.error} />;
  const verdict = verdictOf(receipt.data);
  const streams = receipt.data.streams ?? [];
  const isFiltered = streams.some((each) => (each.rows_filtered ?? 0) > 0);
  return (
    <Paper withBorder p="lg">
      <Group mb="sm" gap="xs" wrap="nowrap" align="start">
        {verdict.isProved ? (
          <IconCircleCheckFilled color="var(--mantine-color-green-7)" style={{ flexShrink: 0 }} />
        ) : (
          <IconAlertTriangle color="var(--mantine-color-red-7)" style={{ flexShrink: 0 }} />
        )}
        <Title order={2} size="h4" style={{ overflowWrap: "anywhere" }}>
          {verdict.words}
        </Title>
      </Group>
      <WindowedTable label={words.proof.label} rows={streams} rowHeight={ROW} maxHeight={420}>
        {(drawn, above, below) => (
          <Table stickyHeader miw={560}>
            <Table.Thead style={{ background: "var(--mantine-color-body)" }}>
              <Table.Tr>
                <Table.Th>{words.proof.table}</Table.Th>
                <Table.Th ta="right">{words.proof.read}</Table.Th>
                {isFiltered && <Table.Th ta="right">{words.proof.filtered}</Table.Th>}
                <Table.Th ta="right">{words.proof.sent}</Table.Th>
                <Table.Th ta="right">{words.proof.committed}</Table.Th>
                <Table.Th>{words.proof.status}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {above}
              {drawn.map(({ row }) => (
                <Table.Tr key={`${row.stream.namespace ?? ""} ${row.stream.name}`} h={ROW}>
                  <Table.Td ff="monospace">{row.table}</Table.Td>
                  <Table.Td ta="right" style={FIGURE}>
                    {count(row.rows_read ?? 0)}
                  </Table.Td>
                  {isFiltered && (
                    <Table.Td ta="right" style={FIGURE}>
                      {count(row.rows_filtered ?? 0)}
                    </Table.Td>
                  )}
                  <Table.Td ta="right" style={FIGURE}>
                    {isFiltered ? "" : "= "}
                    {count(row.rows_sent ?? 0)}
                  </Table.Td>
                  <Table.Td
                    ta="right"
                    style={FIGURE}
                    {...(isProved(row) ? {} : { c: "var(--mantine-color-error)" })}
                  >
                    {row.rows_sent === row.rows_committed ? "= " : "≠ "}
                    {count(row.rows_committed ?? 0)}
                  </Table.Td>
                  <Table.Td>
                    <Status value={row.status} />
                  </Table.Td>
                </Table.Tr>
              ))}
              {below}
            </Table.Tbody>
          </Table>
        )}
      </WindowedTable>
      {streams.length === 0 && <Text c="dimmed">{words.noFigures}</Text>}
    </Paper>
  );
}
