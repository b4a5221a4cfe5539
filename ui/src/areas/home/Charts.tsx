// What was moved by day, drawn; the same figures as a table for whoever reads rather than looks.

import "@mantine/charts/styles.css";

import { BarChart, type BarChartSeries } from "@mantine/charts";
import { Paper, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";

import type { Schemas } from "../../api/client";
import { bytes, count, duration, shortCount } from "../../parts/format";
import { Tall } from "../../parts/Tall";
import { words as all } from "./words";

const words = all.charts;
type Day = Schemas["Day"];

// A day is one of UTC wherever it is looked at.
const shortDay = new Intl.DateTimeFormat(undefined, {
  timeZone: "UTC",
  day: "numeric",
  month: "short",
});

interface Chart {
  title: string;
  series: BarChartSeries[];
  format: (value: number) => string;
  isStacked?: boolean;
  /** Half a run or half a row is none. */
  allowsDecimals?: boolean;
}

const CHARTS: Chart[] = [
  {
    title: words.volume,
    series: [{ name: "bytes_committed", label: words.volume, color: "teal.7" }],
    format: bytes,
  },
  {
    title: words.rows,
    series: [{ name: "rows_committed", label: words.rows, color: "blue.7" }],
    format: shortCount,
  },
  {
    title: words.time,
    series: [
      { name: "seconds", label: words.together, color: "grape.6" },
      { name: "longest_seconds", label: words.longest, color: "grape.9" },
    ],
    format: duration,
    allowsDecimals: true,
  },
  {
    title: words.runs,
    series: [
      { name: "succeeded", label: words.succeeded, color: "green.7" },
      { name: "failed", label: words.failed, color: "red.7" },
      { name: "cancelled", label: words.cancelled, color: "gray.6" },
    ],
    format: shortCount,
    isStacked: true,
  },
];

export default function Charts({ days }: { days: Day[] }) {
  if (days.every((day) => day.succeeded + day.failed + day.cancelled === 0))
    return <Text c="dimmed">{words.none}</Text>;
  const data = days.map((day) => ({
    ...day,
    label: shortDay.format(new Date(`${day.day}T00:00:00Z`)),
  }));
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {CHARTS.map((chart) => (
          <Paper withBorder p="md" key={chart.title}>
            <Title order={3} size="h6" mb="sm">
              {chart.title}
            </Title>
            {/* The table below says the same to whoever cannot see this. */}
            <div aria-hidden>
              <BarChart
                h={180}
                data={data}
                dataKey="label"
                series={chart.series}
                type={chart.isStacked ? "stacked" : "default"}
                valueFormatter={chart.format}
                withLegend={chart.series.length > 1}
                tickLine="none"
                gridAxis="x"
                yAxisProps={{ width: 64, allowDecimals: chart.allowsDecimals ?? false }}
                xAxisProps={{ minTickGap: 24 }}
                barProps={{ isAnimationActive: false }}
                barChartProps={{ accessibilityLayer: false }}
              />
            </div>
          </Paper>
        ))}
      </SimpleGrid>
      <details>
        <summary>{words.table}</summary>
        <AsTable days={days} />
      </details>
    </Stack>
  );
}

function AsTable({ days }: { days: Day[] }) {
  return (
    <Tall label={words.table}>
      <Table fz="sm" stickyHeader miw={640}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.day}</Table.Th>
            <Table.Th ta="right">{words.succeeded}</Table.Th>
            <Table.Th ta="right">{words.failed}</Table.Th>
            <Table.Th ta="right">{words.cancelled}</Table.Th>
            <Table.Th ta="right">{words.rows}</Table.Th>
            <Table.Th ta="right">{words.volume}</Table.Th>
            <Table.Th ta="right">{words.together}</Table.Th>
            <Table.Th ta="right">{words.longest}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {days.toReversed().map((day) => (
            <Table.Tr key={day.day}>
              <Table.Td>{day.day}</Table.Td>
              <Table.Td ta="right">{count(day.succeeded)}</Table.Td>
              <Table.Td ta="right">{count(day.failed)}</Table.Td>
              <Table.Td ta="right">{count(day.cancelled)}</Table.Td>
              <Table.Td ta="right">{count(day.rows_committed)}</Table.Td>
              <Table.Td ta="right">{bytes(day.bytes_committed)}</Table.Td>
              <Table.Td ta="right">{duration(day.seconds)}</Table.Td>
              <Table.Td ta="right">{duration(day.longest_seconds)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Tall>
  );
}
