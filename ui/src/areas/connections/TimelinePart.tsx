// What happened to a connection: runs, changed settings and schemas, the newest first.

import { Anchor, Code, Group, NativeSelect, Paper, Stack, Text, Timeline } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCheck,
  IconDatabaseEdit,
  IconHandStop,
  IconPlayerPlay,
  IconSettings,
} from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { api, found, type Schemas } from "../../api/client";
import { More } from "../../parts/More";
import { useAddress } from "../../parts/address";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { ago, at, bytes, duration } from "../../parts/format";
import type { PartProps } from "./ConnectionPage";
import { changesIn } from "./history";
import { words } from "./words";

type Event = Schemas["EventShown"];
type Filter = keyof typeof words.timeline.filters;
const PAGE = 50;
const FILTERS = Object.entries(words.timeline.filters).map(([value, label]) => ({ value, label }));
const KINDS: Record<Filter, string[] | undefined> = {
  all: undefined,
  runs: ["run.queued", "run.succeeded", "run.failed", "run.cancelled", "run.skipped"],
  trouble: ["run.failed", "run.skipped", "connection.disable_warning", "connection.disabled"],
  settings: [
    "connection.created",
    "connection.updated",
    "connection.disabled",
    "state.set",
    "state.reset",
    "source.updated",
    "destination.updated",
  ],
  schema: ["schema.changed", "schema.breaking", "schema.approved"],
};

export default function TimelinePart({ connection }: PartProps) {
  const [asked, setFilter] = useAddress("show");
  const filter: Filter = asked !== undefined && asked in KINDS ? (asked as Filter) : "all";
  const events = useInfiniteQuery({
    queryKey: ["events", connection.id, filter],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) => {
      const kind = KINDS[filter];
      return found(
        await api.GET("/api/v1/events", {
          params: {
            query: {
              connection_id: connection.id,
              limit: PAGE,
              ...(kind ? { kind } : {}),
              ...(pageParam === undefined ? {} : { after: pageParam }),
            },
          },
        }),
      );
    },
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const shown = events.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Stack>
      <NativeSelect
        aria-label={words.timeline.show}
        w={220}
        data={FILTERS}
        value={filter}
        onChange={(event) => setFilter(event.currentTarget.value)}
      />
      {events.isPending && <Waiting />}
      {events.isError && <ErrorNotice error={events.error} again={() => void events.refetch()} />}
      {events.data && shown.length === 0 && <Text c="dimmed">{words.timeline.none}</Text>}
      <Timeline bulletSize={28} lineWidth={2}>
        {shown.map((event) => (
          <Timeline.Item
            key={event.id}
            bullet={iconOf(event)}
            color={colorOf(event)}
            title={words.timeline.kinds[event.kind] ?? event.kind}
          >
            <Happened event={event} connectionId={connection.id} />
          </Timeline.Item>
        ))}
      </Timeline>
      <More query={events}>{words.timeline.more}</More>
    </Stack>
  );
}

function Happened({ event, connectionId }: { event: Event; connectionId: string }) {
  const { data } = event;
  const rows = data.rows_committed;
  const seconds = data.seconds;
  const failure = data.failure as Schemas["FailureShown"] | undefined;
  const changes = changesIn(event.kind, data);
  return (
    <Stack gap={4} mt={2}>
      <Group gap="xs">
        <Text size="sm" c="dimmed" title={at(event.at)}>
          {ago(event.at)}, {event.actor ?? words.timeline.byPenstock}
        </Text>
        {event.run_id !== null && (
          <Anchor
            size="sm"
            component={Link}
            to={`/connections/${connectionId}/runs/${event.run_id}`}
          >
            {words.timeline.run(event.run_id)}
          </Anchor>
        )}
        {typeof rows === "number" && event.kind !== "run.queued" && (
          <Text size="sm">
            {words.timeline.figures(rows, bytes(Number(data.bytes_committed ?? 0)))}
            {typeof seconds === "number" && `, ${duration(seconds)}`}
          </Text>
        )}
      </Group>
      {failure && (
        <Text size="sm" c="var(--mantine-color-error)">
          {failure.message}
        </Text>
      )}
      {changes.length > 0 && (
        <Paper withBorder p="xs">
          {changes.map((change) => (
            <Group key={change.what} gap="xs" wrap="wrap">
              <Text size="sm" fw={600}>
                {change.what}
              </Text>
              {change.from !== undefined && <Code>{change.from}</Code>}
              {change.from !== undefined && change.to !== undefined && <span>→</span>}
              {change.to !== undefined && <Code>{change.to}</Code>}
            </Group>
          ))}
        </Paper>
      )}
    </Stack>
  );
}

function colorOf({ kind }: Event): string {
  if (kind.endsWith(".succeeded") || kind === "schema.approved") return "green.8";
  if (kind.endsWith(".failed") || kind.endsWith(".breaking")) return "red.8";
  return kind.startsWith("connection.disabled") || kind === "schema.changed"
    ? "orange.8"
    : "gray.7";
}

function iconOf({ kind }: Event): ReactNode {
  if (kind.endsWith(".succeeded")) return <IconCheck size={15} />;
  if (kind.endsWith(".failed") || kind.endsWith(".breaking"))
    return <IconAlertTriangle size={15} />;
  if (kind.endsWith(".cancelled")) return <IconHandStop size={15} />;
  if (kind.startsWith("run.")) return <IconPlayerPlay size={15} />;
  return kind.startsWith("schema.") ? <IconDatabaseEdit size={15} /> : <IconSettings size={15} />;
}
