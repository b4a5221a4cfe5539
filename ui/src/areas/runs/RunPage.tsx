// One run: its figures while it runs, the proof when it has ended, and its log.

import {
  Alert,
  Button,
  Group,
  Paper,
  Progress,
  SimpleGrid,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { api, found, root, type Schemas } from "../../api/client";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { at, bytes, count, duration } from "../../parts/format";
import { verdictOf, type Proof } from "./proof";

// The chosen streams, pairs in the document, come through the client as lists.
type Run = Omit<Schemas["RunDetail"], "streams">;
const ACTIVE = ["queued", "running", "waiting"];

export function RunPage() {
  const { runId = "" } = useParams({ strict: false });
  const id = Number(runId);
  const client = useQueryClient();
  const run = useQuery({
    queryKey: ["runs", id],
    queryFn: async () =>
      found(await api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: id } } })),
  });
  const isActive = run.data !== undefined && ACTIVE.includes(run.data.status);
  useEffect(() => {
    if (!isActive) return undefined;
    const source = new EventSource(`${root}/api/v1/runs/${id}/follow`);
    source.addEventListener("run", (event: MessageEvent<string>) =>
      client.setQueryData(["runs", id], JSON.parse(event.data) as Run),
    );
    source.addEventListener("end", () => source.close());
    return () => source.close();
  }, [client, id, isActive]);
  const cancel = useMutation({
    mutationFn: async () =>
      api.POST("/api/v1/runs/{run_id}/cancel", { params: { path: { run_id: id } } }),
  });
  if (run.isPending) return <Waiting />;
  if (run.isError) return <ErrorNotice error={run.error} />;
  const shown = run.data;
  const attempt = shown.attempts.at(-1);
  return (
    <Page
      title={`Run ${shown.id}`}
      crumbs={[
        { to: "/connections", label: "Connections" },
        { to: `/connections/${shown.connection_id}`, label: shown.connection_name },
      ]}
      actions={
        <>
          <Status value={shown.status} />
          {isActive && (
            <Button
              variant="default"
              disabled={shown.is_cancelling || cancel.isPending}
              onClick={() => cancel.mutate()}
            >
              {shown.is_cancelling ? "Cancelling…" : "Cancel"}
            </Button>
          )}
        </>
      }
    >
      {cancel.isError && <ErrorNotice error={cancel.error} />}
      {shown.failure && (
        <Alert color="red" title={shown.failure.message} role="alert">
          {shown.failure.remedy}
        </Alert>
      )}
      {shown.status === "succeeded" && attempt && <ProofOf runId={id} />}
      <Figures run={shown} />
      {attempt && (
        <LogOf key={attempt.number} runId={id} attempt={attempt.number} isActive={isActive} />
      )}
    </Page>
  );
}

function Figures({ run }: { run: Run }) {
  const attempt = run.attempts.at(-1);
  const [now, setNow] = useState(() => Date.now());
  const isActive = ACTIVE.includes(run.status);
  useEffect(() => {
    if (!isActive) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isActive]);
  const begin = run.started_at ? Date.parse(run.started_at) : undefined;
  const end = run.ended_at ? Date.parse(run.ended_at) : now;
  const seconds = begin === undefined ? 0 : Math.max(0, (end - begin) / 1000);
  const read = (attempt?.streams ?? []).reduce((sum, each) => sum + each.rows_read, 0);
  const figures: [string, string][] = [
    ["Rows read", count(read)],
    ["Rows committed", count(run.rows_committed)],
    ["Volume", bytes((attempt?.streams ?? []).reduce((sum, each) => sum + each.bytes_read, 0))],
    ["Rows per second", seconds > 0 ? count(Math.round(read / seconds)) : "–"],
    ["Time", duration(seconds)],
  ];
  return (
    <>
      <SimpleGrid cols={{ base: 2, sm: 3, md: 5 }}>
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
      {isActive && (attempt?.streams ?? []).length > 0 && (
        <Paper withBorder p="md">
          <Stack gap="xs">
            {attempt?.streams.map((each) => (
              <div key={`${each.namespace ?? ""}.${each.name}`}>
                <Group justify="space-between">
                  <Text size="sm" fw={600}>
                    {each.name}
                  </Text>
                  <Text size="sm">{count(each.rows_read)} rows</Text>
                </Group>
                {each.estimated_rows ? (
                  <Progress
                    aria-label={`Progress of ${each.name}`}
                    animated={each.status !== "complete"}
                    value={Math.min(100, (100 * each.rows_read) / each.estimated_rows)}
                  />
                ) : (
                  // How much is to come is not known: a part of a bar would be made up.
                  <Status value={each.status} />
                )}
              </div>
            ))}
          </Stack>
        </Paper>
      )}
    </>
  );
}

function ProofOf({ runId }: { runId: number }) {
  const receipt = useQuery({
    queryKey: ["receipt", runId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/runs/{run_id}/receipt", { params: { path: { run_id: runId } } }),
      ) as unknown as Proof,
    staleTime: Infinity,
  });
  if (receipt.isPending) return <Waiting text="Fetching the receipt" />;
  if (receipt.isError) return <ErrorNotice error={receipt.error} />;
  const verdict = verdictOf(receipt.data);
  return (
    <Paper withBorder p="lg">
      <Group mb="sm" gap="xs">
        {verdict.isProved ? (
          <IconCheck color="var(--mantine-color-green-7)" />
        ) : (
          <IconAlertTriangle color="var(--mantine-color-red-7)" />
        )}
        <Title order={2} size="h4">
          {verdict.words}
        </Title>
      </Group>
      <Table.ScrollContainer minWidth={520}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Table</Table.Th>
              <Table.Th ta="right">Read</Table.Th>
              <Table.Th ta="right">Filtered</Table.Th>
              <Table.Th ta="right">Sent</Table.Th>
              <Table.Th ta="right">Committed</Table.Th>
              <Table.Th>Status</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {(receipt.data.streams ?? []).map((each) => (
              <Table.Tr key={each.table} style={{ fontVariantNumeric: "tabular-nums" }}>
                <Table.Td ff="monospace">{each.table}</Table.Td>
                <Table.Td ta="right">{count(each.rows_read ?? 0)}</Table.Td>
                <Table.Td ta="right">{count(each.rows_filtered ?? 0)}</Table.Td>
                <Table.Td ta="right">{count(each.rows_sent ?? 0)}</Table.Td>
                <Table.Td ta="right">{count(each.rows_committed ?? 0)}</Table.Td>
                <Table.Td>
                  <Status value={each.status} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

function LogOf(props: { runId: number; attempt: number; isActive: boolean }) {
  const { runId, attempt, isActive } = props;
  const [search, setSearch] = useState("");
  const path = { run_id: runId, number: attempt };
  const log = useQuery({
    queryKey: ["log", runId, attempt, search, isActive],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/runs/{run_id}/attempts/{number}/log", {
          params: { path, query: search === "" ? {} : { q: search } },
        }),
      ),
    refetchInterval: isActive ? 1000 : false,
  });
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Log
        </Title>
        <Group>
          <TextInput
            size="xs"
            aria-label="Search the log"
            placeholder="Search the log"
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <Button
            size="xs"
            variant="default"
            component="a"
            href={`${root}/api/v1/runs/${runId}/attempts/${attempt}/log/download`}
          >
            Download
          </Button>
        </Group>
      </Group>
      {log.isError && <ErrorNotice error={log.error} />}
      {log.data?.items.length === 0 && <Text c="dimmed">No line yet.</Text>}
      <div role="region" aria-label="Log" tabIndex={0} style={{ maxHeight: 360, overflow: "auto" }}>
        {log.data?.items.map((line, index) => (
          <Text key={index} ff="monospace" fz="xs" c={line.level === "ERROR" ? "red" : undefined}>
            {at(line.at)} {line.level} {line.origin}: {line.message}
          </Text>
        ))}
      </div>
    </Paper>
  );
}
