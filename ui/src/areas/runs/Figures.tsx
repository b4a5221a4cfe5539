// The figures of a run: rows, bytes, speed and time, live while it goes on.

import { Paper, SimpleGrid, Text } from "@mantine/core";

import { bytes, count, duration } from "../../parts/format";
import { isActive, secondsOf, totalsOf, useNow, useRates, type Run } from "./calls";
import { words } from "./words";

export function Figures({ run }: { run: Run }) {
  const now = useNow(isActive(run));
  const totals = totalsOf(run.attempts.at(-1)?.streams ?? []);
  const rates = useRates(run, totals, now);
  const figures: [string, string][] = [
    [words.figures.read, count(totals.rowsRead)],
    [words.figures.committed, count(run.rows_committed)],
    [words.figures.volume, bytes(totals.bytesRead)],
    [words.figures.rate, count(Math.round(rates.rows))],
    [words.figures.bytesRate, `${bytes(rates.bytes)}/s`],
    [words.figures.time, duration(secondsOf(run, now))],
  ];
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
      {figures.map(([label, value]) => (
        <Paper withBorder p="md" key={label}>
          <Text size="sm" c="dimmed">
            {label}
          </Text>
          <Text size="xl" fw={700} style={{ fontVariantNumeric: "tabular-nums" }}>
            {value}
          </Text>
        </Paper>
      ))}
    </SimpleGrid>
  );
}
