// What goes on: the run under way, each stream's rows, and the proof of the last complete sync.

import {
  ActionIcon,
  Anchor,
  Group,
  Menu,
  NativeSelect,
  Paper,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconDotsVertical, IconPlayerPlay, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useState } from "react";

import { api, found } from "../../api/client";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Status } from "../../parts/Status";
import { ago, bytes, count } from "../../parts/format";
import { WindowedTable } from "../../parts/windowed";
import { isActive, useRun, type Run, type StreamFigures } from "../runs/calls";
import { Figures } from "../runs/Figures";
import { Receipt } from "../runs/Receipt";
import { RunTable } from "../runs/RunTable";
import { StreamProgress } from "../runs/StreamProgress";
import { Act, type ActKind } from "./Act";
import type { Connection } from "./calls";
import { keyOf, titleOf } from "./choices";
import type { PartProps } from "./ConnectionPage";
import { words } from "./words";

const ROW = 44;
const NEWEST = 5;
const FIGURE = { fontVariantNumeric: "tabular-nums" } as const;
type Filter = keyof typeof words.status.filters;
const FILTERS = Object.entries(words.status.filters).map(([value, label]) => ({ value, label }));

export default function StatusPart({ connection }: PartProps) {
  const newest = connection.last_run;
  const runs = useQuery({
    queryKey: ["runs", "of", connection.id],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/runs", {
          params: { query: { connection_id: [connection.id], limit: NEWEST } },
        }),
      ),
  });
  if (newest === null)
    return (
      <EmptyState
        icon={<IconPlayerPlay size={40} />}
        title={words.status.never}
        text={words.status.neverText}
      />
    );
  return (
    <Stack gap="lg">
      <Newest connection={connection} runId={newest.id} />
      {runs.isError && <ErrorNotice error={runs.error} />}
      {runs.data && (
        <Paper withBorder p="lg">
          <Title order={2} size="h4" mb="sm">
            {words.status.runs}
          </Title>
          <RunTable runs={runs.data.items} />
        </Paper>
      )}
    </Stack>
  );
}

function Newest({ connection, runId }: { connection: Connection; runId: number }) {
  const run = useRun(runId);
  if (run.isPending) return <Waiting />;
  if (run.isError) return <ErrorNotice error={run.error} again={() => void run.refetch()} />;
  const shown = run.data;
  return (
    <>
      <Group gap="sm">
        <Status value={shown.status} />
        <Text size="sm" fw={600}>
          {isActive(shown) ? words.status.now : words.status.last(shown.id)}
        </Text>
        <Text size="sm" c="dimmed">
          {ago(shown.ended_at ?? shown.created_at)}
        </Text>
        <Anchor component={Link} to={`/connections/${connection.id}/runs/${shown.id}`} size="sm">
          {words.status.open}
        </Anchor>
      </Group>
      {shown.failure && !isActive(shown) && (
        <Paper withBorder p="md" role="alert">
          <Text fw={600} c="var(--mantine-color-error)">
            {shown.failure.message}
          </Text>
          <Text size="sm">{shown.failure.remedy}</Text>
        </Paper>
      )}
      {shown.status === "succeeded" && <Receipt runId={shown.id} />}
      <Figures run={shown} />
      <Streams connection={connection} run={shown} />
    </>
  );
}

interface Shown {
  key: string;
  name: string;
  namespace: string | null;
  figures: StreamFigures | undefined;
}

function Streams({ connection, run }: { connection: Connection; run: Run }) {
  const navigate = useNavigate();
  const [search, setSearch] = useState("");
  const [filter, setFilter] = useState<Filter>("all");
  const [act, setAct] = useState<{ kind: ActKind; stream: Shown }>();
  const wanted = useDeferredValue(search.trim().toLowerCase());
  const figures = run.attempts.at(-1)?.streams;
  const all = useMemo(() => merged(connection, figures ?? []), [connection, figures]);
  const shown = useMemo(
    () => all.filter((each) => titleOf(each).toLowerCase().includes(wanted) && fits(each, filter)),
    [all, wanted, filter],
  );
  const goesOn = isActive(run);
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {words.streams.title}
        </Title>
        <Group gap="xs">
          <TextInput
            aria-label={words.status.search}
            placeholder={words.status.search}
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
        </Group>
      </Group>
      <WindowedTable label={words.streams.title} rows={shown} rowHeight={ROW} maxHeight={480}>
        {(drawn, above, below) => (
          <Table stickyHeader miw={680}>
            <Table.Thead style={{ background: "var(--mantine-color-body)" }}>
              <Table.Tr>
                <Table.Th>{words.status.columns.stream}</Table.Th>
                <Table.Th>{words.status.columns.status}</Table.Th>
                <Table.Th w={150}>{words.status.columns.progress}</Table.Th>
                <Table.Th ta="right">{words.status.columns.read}</Table.Th>
                <Table.Th ta="right">{words.status.columns.committed}</Table.Th>
                <Table.Th ta="right">{words.status.columns.volume}</Table.Th>
                <Table.Th w={80}>{words.status.columns.actions}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {above}
              {drawn.map(({ row }) => (
                <Table.Tr key={row.key} h={ROW}>
                  <Table.Td>{titleOf(row)}</Table.Td>
                  <Table.Td>
                    {row.figures ? (
                      <Status value={row.figures.status} />
                    ) : (
                      <Text size="sm" c="dimmed">
                        {words.status.notInRun}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>{row.figures && <StreamProgress figures={row.figures} />}</Table.Td>
                  <Table.Td ta="right" style={FIGURE}>
                    {count(row.figures?.rows_read ?? 0)}
                  </Table.Td>
                  <Table.Td ta="right" style={FIGURE}>
                    {count(row.figures?.rows_committed ?? 0)}
                  </Table.Td>
                  <Table.Td ta="right" style={FIGURE}>
                    {bytes(row.figures?.bytes_read ?? 0)}
                  </Table.Td>
                  <Table.Td>
                    <Menu position="bottom-end" withinPortal>
                      <Menu.Target>
                        <ActionIcon
                          variant="subtle"
                          color="gray"
                          aria-label={words.status.menu(titleOf(row))}
                        >
                          <IconDotsVertical size={16} />
                        </ActionIcon>
                      </Menu.Target>
                      <Menu.Dropdown>
                        <Menu.Item
                          disabled={goesOn}
                          onClick={() => setAct({ kind: "refresh", stream: row })}
                        >
                          {words.status.refreshOne}
                        </Menu.Item>
                        <Menu.Item
                          color="red"
                          disabled={goesOn}
                          onClick={() => setAct({ kind: "clear", stream: row })}
                        >
                          {words.status.clearOne}
                        </Menu.Item>
                        <Menu.Item
                          onClick={() =>
                            void navigate({
                              to: `/connections/${connection.id}/schema`,
                              search: { stream: row.key } as never,
                            })
                          }
                        >
                          {words.status.editOne}
                        </Menu.Item>
                      </Menu.Dropdown>
                    </Menu>
                  </Table.Td>
                </Table.Tr>
              ))}
              {below}
            </Table.Tbody>
          </Table>
        )}
      </WindowedTable>
      {shown.length === 0 && <Text c="dimmed">{words.status.none}</Text>}
      {act && (
        <Act
          kind={act.kind}
          connection={connection}
          stream={act.stream}
          onDone={() => setAct(undefined)}
        />
      )}
    </Paper>
  );
}

/** Returns the streams of a connection with their figures in a run. */
function merged(connection: Connection, figures: readonly StreamFigures[]): Shown[] {
  const byKey = new Map(figures.map((each) => [keyOf(each), each]));
  const chosen = connection.streams ?? figures;
  return chosen.map((each) => ({
    key: keyOf(each),
    name: each.name,
    namespace: each.namespace ?? null,
    figures: byKey.get(keyOf(each)),
  }));
}

function fits({ figures }: Shown, filter: Filter): boolean {
  if (filter === "active") return figures?.status === "running" || figures?.status === "waiting";
  if (filter === "trouble") return figures?.status === "failed" || figures?.status === "incomplete";
  return true;
}
