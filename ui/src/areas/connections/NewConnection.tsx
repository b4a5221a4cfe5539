// A new connection: both ends, the streams and how each moves, the tables' names, the times.

import {
  Alert,
  Button,
  Checkbox,
  Group,
  Paper,
  Select,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { ErrorNotice, RequestFailed, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { at, count } from "../../parts/format";
import { answered, useConnectors } from "../connectors/calls";

type Found = Schemas["StreamSummary"];
type Mode = Schemas["ModeName"];

const MODES: { value: Mode; label: string; needs: "key" | "increment" | "both" | "nothing" }[] = [
  { value: "incremental_deduped_history", label: "Incremental, one row per key", needs: "both" },
  { value: "incremental_append", label: "Incremental, appended", needs: "increment" },
  { value: "full_refresh_overwrite", label: "Everything, replaced", needs: "nothing" },
  {
    value: "full_refresh_overwrite_deduped",
    label: "Everything, replaced, one row per key",
    needs: "key",
  },
  { value: "full_refresh_append", label: "Everything, appended", needs: "nothing" },
];

function modesOf(stream: Found) {
  const hasKey = stream.source_defined_primary_key.length > 0;
  const increments =
    stream.supported_sync_modes.includes("incremental") &&
    (stream.source_defined_cursor || stream.default_cursor_field.length > 0);
  return MODES.filter(({ needs }) => {
    if (needs === "both") return hasKey && increments;
    if (needs === "key") return hasKey;
    return needs === "nothing" || increments;
  });
}

const keyOf = (stream: { namespace?: string | null; name: string }) =>
  JSON.stringify([stream.namespace ?? null, stream.name]);

const EVERY = [
  { value: "manual", label: "By hand" },
  { value: "900", label: "Every 15 minutes" },
  { value: "3600", label: "Every hour" },
  { value: "21600", label: "Every 6 hours" },
  { value: "86400", label: "Every day" },
  { value: "cron", label: "At times of the clock (cron)" },
];

export function NewConnection() {
  const { workspaceId } = useSession();
  const navigate = useNavigate();
  const sources = useConnectors("source");
  const destinations = useConnectors("destination");
  const [sourceId, setSourceId] = useState<string | null>(null);
  const [destinationId, setDestinationId] = useState<string | null>(null);
  const [prefix, setPrefix] = useState("");
  const [every, setEvery] = useState("manual");
  const [cron, setCron] = useState("0 6 * * *");
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [modes, setModes] = useState<ReadonlyMap<string, Mode>>(new Map());
  const streams = useQuery({
    queryKey: ["streams", sourceId],
    enabled: sourceId !== null,
    queryFn: () => discovered(sourceId ?? ""),
    staleTime: 60_000,
  });
  const schedule = scheduleOf(every, cron);
  const times = useQuery({
    queryKey: ["times", schedule],
    enabled: every !== "manual",
    queryFn: async () =>
      found(await api.POST("/api/v1/connections/preview-schedule", { body: schedule })),
  });
  const chosen = (streams.data ?? []).filter((each) => !left.has(keyOf(each)));
  const create = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/connections", {
          body: {
            workspace_id: workspaceId,
            source_id: sourceId ?? "",
            destination_id: destinationId ?? "",
            prefix,
            schedule,
            streams: chosen.map((each) => ({
              ...each.suggested,
              mode: modes.get(keyOf(each)) ?? each.suggested.mode,
            })),
            runs_now: true,
          },
        }),
      ),
    onSuccess: async (connection) => {
      const run = connection.last_run;
      const here = `/connections/${connection.id}`;
      await navigate({ to: run ? `${here}/runs/${run.id}` : here });
    },
  });
  const isReady = sourceId !== null && destinationId !== null && chosen.length > 0;
  if (sources.isPending || destinations.isPending) return <Waiting />;
  if (sources.isError) return <ErrorNotice error={sources.error} />;
  if (destinations.isError) return <ErrorNotice error={destinations.error} />;
  return (
    <Page title="New connection" crumbs={[{ to: "/connections", label: "Connections" }]}>
      <Group grow align="start" maw={760}>
        <Select
          label="Source"
          placeholder="Choose where rows come from"
          data={sources.data.map((each) => ({ value: each.id, label: each.name }))}
          value={sourceId}
          onChange={(value) => {
            setSourceId(value);
            setLeft(new Set());
            setModes(new Map());
          }}
        />
        <Select
          label="Destination"
          placeholder="Choose where they go"
          data={destinations.data.map((each) => ({ value: each.id, label: each.name }))}
          value={destinationId}
          onChange={setDestinationId}
        />
      </Group>
      {streams.isFetching && !streams.data && <Waiting text="Asking the source what it has" />}
      {streams.isError && (
        <ErrorNotice error={streams.error} again={() => void streams.refetch()} />
      )}
      {streams.data && (
        <>
          <Streams
            streams={streams.data}
            prefix={prefix}
            left={left}
            onLeft={setLeft}
            modes={modes}
            onMode={(key, mode) => setModes(new Map(modes).set(key, mode))}
          />
          <Paper withBorder p="lg" maw={760}>
            <Stack>
              <Title order={2} size="h4">
                Tables and times
              </Title>
              <TextInput
                label="Prefix of the tables' names"
                value={prefix}
                onChange={(event) => setPrefix(event.currentTarget.value)}
              />
              <Select
                label="Runs"
                data={EVERY}
                value={every}
                allowDeselect={false}
                onChange={(value) => setEvery(value ?? "manual")}
              />
              {every === "cron" && (
                <TextInput
                  label="Cron"
                  description={`Five fields; the times are those of ${zone}.`}
                  value={cron}
                  onChange={(event) => setCron(event.currentTarget.value)}
                />
              )}
              {times.isError && <ErrorNotice error={times.error} />}
              {every !== "manual" && times.data && (
                <Alert color="gray" title="The next five times">
                  {times.data.items.map((each) => (
                    <div key={each}>{at(each)}</div>
                  ))}
                </Alert>
              )}
            </Stack>
          </Paper>
        </>
      )}
      {create.isError && <ErrorNotice error={create.error} />}
      <Group>
        <Button disabled={!isReady} loading={create.isPending} onClick={() => create.mutate()}>
          Create and sync
        </Button>
        {!isReady && (
          <Text size="sm" c="dimmed">
            Choose a source, a destination and at least one stream.
          </Text>
        )}
      </Group>
    </Page>
  );
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function scheduleOf(every: string, cron: string): Schemas["Schedule"] {
  const always = { jitter_seconds: 0, time_zone: zone };
  if (every === "manual") return { kind: "manual", ...always };
  if (every === "cron") return { kind: "cron", cron, ...always };
  return { kind: "interval", interval_seconds: Number(every), ...always };
}

async function discovered(sourceId: string): Promise<Found[]> {
  const body = { source_id: sourceId };
  const probe = await answered(found(await api.POST("/api/v1/probes/discover", { body })));
  if (probe.failure) {
    const { code, message, remedy } = probe.failure;
    throw new RequestFailed({ status: 502, code, detail: message, remedy, problems: [] });
  }
  const all: Found[] = [];
  let after: string | undefined;
  do {
    const page: Schemas["Streams"] = found(
      await api.GET("/api/v1/sources/{source_id}/streams", {
        params: {
          path: { source_id: sourceId },
          query: { limit: 5000, ...(after === undefined ? {} : { after }) },
        },
      }),
    );
    all.push(...page.items);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return all;
}

const ROW = 48;

function Streams(props: {
  streams: Found[];
  prefix: string;
  left: ReadonlySet<string>;
  onLeft: (left: ReadonlySet<string>) => void;
  modes: ReadonlyMap<string, Mode>;
  onMode: (key: string, mode: Mode) => void;
}) {
  const { streams, prefix, left, onLeft, modes, onMode } = props;
  const [search, setSearch] = useState("");
  const shown = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    return streams.filter((each) =>
      `${each.namespace ?? ""}.${each.name}`.toLowerCase().includes(wanted),
    );
  }, [streams, search]);
  const place = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- its values stay in this component
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => place.current,
    estimateSize: () => ROW,
    overscan: 8,
  });
  const drawn = rows.getVirtualItems();
  const above = drawn[0]?.start ?? 0;
  const below = rows.getTotalSize() - (drawn.at(-1)?.end ?? 0);
  const take = (keys: string[], isTaken: boolean) => {
    const next = new Set(left);
    for (const key of keys)
      if (isTaken) next.delete(key);
      else next.add(key);
    onLeft(next);
  };
  const taken = shown.filter((each) => !left.has(keyOf(each))).length;
  return (
    <Paper withBorder p="md">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Streams
        </Title>
        <Text size="sm" c="dimmed">
          {count(streams.filter((each) => !left.has(keyOf(each))).length)} of{" "}
          {count(streams.length)} chosen
        </Text>
        <TextInput
          aria-label="Search streams"
          placeholder="Search streams"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
      </Group>
      <div
        ref={place}
        style={{ maxHeight: 480, overflow: "auto" }}
        tabIndex={0}
        role="region"
        aria-label="Streams"
      >
        <Table stickyHeader miw={640}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={44}>
                <Checkbox
                  aria-label="All streams shown"
                  checked={shown.length > 0 && taken === shown.length}
                  indeterminate={taken > 0 && taken < shown.length}
                  onChange={(event) => take(shown.map(keyOf), event.currentTarget.checked)}
                />
              </Table.Th>
              <Table.Th>Stream</Table.Th>
              <Table.Th w={300}>How it moves</Table.Th>
              <Table.Th>Key</Table.Th>
              <Table.Th>Table</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {above > 0 && <tr style={{ height: above }} />}
            {drawn.map(({ index }) => {
              const stream = shown[index];
              if (!stream) return null;
              const key = keyOf(stream);
              return (
                <Table.Tr key={key} h={ROW}>
                  <Table.Td>
                    <Checkbox
                      aria-label={`Take ${stream.name}`}
                      checked={!left.has(key)}
                      onChange={(event) => take([key], event.currentTarget.checked)}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Text fw={600} size="sm">
                      {stream.namespace ? `${stream.namespace}.` : ""}
                      {stream.name}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {count(stream.fields)} fields
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Select
                      size="xs"
                      aria-label={`How ${stream.name} moves`}
                      data={modesOf(stream).map(({ value, label }) => ({ value, label }))}
                      value={modes.get(key) ?? stream.suggested.mode}
                      allowDeselect={false}
                      disabled={left.has(key)}
                      onChange={(mode) => {
                        if (mode) onMode(key, mode);
                      }}
                    />
                  </Table.Td>
                  <Table.Td>
                    {stream.source_defined_primary_key.map((path) => path.join(".")).join(", ")}
                  </Table.Td>
                  <Table.Td ff="monospace" fz="sm">
                    {prefix}
                    {stream.name}
                  </Table.Td>
                </Table.Tr>
              );
            })}
            {below > 0 && <tr style={{ height: below }} />}
          </Table.Tbody>
        </Table>
      </div>
    </Paper>
  );
}
