// The first page: what runs, what fails, what is late, how much was moved; or what to do first.

import {
  Alert,
  Anchor,
  Button,
  Group,
  Paper,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { IconCheck, IconRocket } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Suspense, lazy, type ReactNode } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { useAddress } from "../../parts/address";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { ago, at, count } from "../../parts/format";
import { RunTable } from "../runs/RunTable";
import { words } from "./words";

const Charts = lazy(() => import("./Charts"));

const PERIODS = ["14", "30", "90"];
const MOST_SHOWN = 10;
type Summary = Schemas["Summary"];

export function Home() {
  const { workspaceId } = useSession();
  const [asked = "14", setDays] = useAddress("days");
  const days = PERIODS.includes(asked) ? asked : "14";
  const summary = useQuery({
    queryKey: ["home", workspaceId, days],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/home", {
          params: { query: { workspace_id: workspaceId, days: Number(days) } },
        }),
      ),
    placeholderData: (before) => before,
  });
  const newest = useQuery({
    queryKey: ["runs", "newest", workspaceId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/runs", {
          params: { query: { workspace_id: workspaceId, limit: MOST_SHOWN } },
        }),
      ),
  });
  const problem = summary.error ?? newest.error;
  if (problem != null && !(summary.data && newest.data))
    return (
      <Page title={words.title}>
        <ErrorNotice
          error={problem}
          again={() => {
            void summary.refetch();
            void newest.refetch();
          }}
        />
      </Page>
    );
  return (
    <Page title={words.title}>
      {summary.data && newest.data ? (
        <Whole
          summary={summary.data as Summary}
          runs={newest.data.items as Schemas["RunShown"][]}
          days={days}
          setDays={(to) => setDays(to === "14" ? undefined : to)}
        />
      ) : (
        <Waiting />
      )}
    </Page>
  );
}

function Whole(props: {
  summary: Summary;
  runs: Schemas["RunShown"][];
  days: string;
  setDays: (days: string) => void;
}) {
  const { summary, runs, days, setDays } = props;
  const all = Object.values(summary.connections).reduce((sum, each) => sum + each, 0);
  if (runs.length === 0 && all === 0)
    return (
      <EmptyState
        icon={<IconRocket size={40} />}
        title={words.emptyTitle}
        text={words.emptyText}
        action={
          <Button component={Link} to="/sources/new">
            {words.firstSource}
          </Button>
        }
      />
    );
  if (runs.length === 0)
    return (
      <EmptyState
        icon={<IconRocket size={40} />}
        title={words.noRunTitle}
        text={words.noRunText}
        action={
          <Button component={Link} to="/connections">
            {words.toConnections}
          </Button>
        }
      />
    );
  const isWell = summary.failed.length === 0 && summary.late.length === 0;
  return (
    <>
      <Figures summary={summary} />
      {isWell && <Alert color="green" icon={<IconCheck />} title={words.well} />}
      {summary.failed.length > 0 && <Failed runs={summary.failed} />}
      {summary.late.length > 0 && <Late items={summary.late} />}
      {summary.running.length > 0 && (
        <Part title={words.running} total={summary.running.length}>
          <RunTable runs={summary.running.slice(0, MOST_SHOWN)} />
        </Part>
      )}
      <Stack gap="xs">
        <Group justify="space-between">
          <Title order={2} size="h4">
            {words.charts.title}
          </Title>
          <SegmentedControl
            size="xs"
            aria-label={words.charts.days}
            data={PERIODS.map((value) => ({ value, label: words.charts.period(value) }))}
            value={days}
            onChange={setDays}
          />
        </Group>
        <Suspense fallback={<Waiting text={words.charts.drawing} />}>
          <Charts days={summary.days} />
        </Suspense>
      </Stack>
      <Part title={words.newest}>
        <RunTable runs={runs} />
      </Part>
    </>
  );
}

function Figures({ summary }: { summary: Summary }) {
  const off = summary.connections.inactive ?? 0;
  const figures: { label: string; value: number; more?: string; color?: string }[] = [
    {
      label: words.figures.connections,
      value: summary.connections.active ?? 0,
      ...(off > 0 ? { more: words.figures.off(off) } : {}),
    },
    { label: words.figures.running, value: summary.running.length },
    { label: words.figures.failed, value: summary.failed.length, color: "red" },
    { label: words.figures.late, value: summary.late.length, color: "orange" },
  ];
  return (
    <SimpleGrid cols={{ base: 2, sm: 4 }}>
      {figures.map(({ label, value, more, color }) => (
        <Paper withBorder p="md" key={label}>
          <Text size="sm" c="dimmed">
            {label}
          </Text>
          <Group gap="xs" align="baseline">
            <Text
              size="xl"
              fw={700}
              style={{ fontVariantNumeric: "tabular-nums" }}
              {...(color !== undefined && value > 0
                ? { c: `var(--mantine-color-${color}-light-color)` }
                : {})}
            >
              {count(value)}
            </Text>
            {more !== undefined && (
              <Text size="sm" c="dimmed">
                {more}
              </Text>
            )}
          </Group>
        </Paper>
      ))}
    </SimpleGrid>
  );
}

function Part(props: { title: string; text?: string; total?: number; children: ReactNode }) {
  const left = (props.total ?? 0) - MOST_SHOWN;
  return (
    <Stack gap="xs">
      <div>
        <Title order={2} size="h4">
          {props.title}
        </Title>
        {props.text !== undefined && (
          <Text size="sm" c="dimmed">
            {props.text}
          </Text>
        )}
      </div>
      {props.children}
      {left > 0 && (
        <Text size="sm" c="dimmed">
          {words.manyMore(left)}
        </Text>
      )}
    </Stack>
  );
}

function Failed({ runs }: { runs: Schemas["RunShown"][] }) {
  return (
    <Part title={words.failed} text={words.failedText} total={runs.length}>
      <Table.ScrollContainer minWidth={640}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{words.columns.connection}</Table.Th>
              <Table.Th>{words.columns.run}</Table.Th>
              <Table.Th>{words.columns.why}</Table.Th>
              <Table.Th>{words.columns.when}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {runs.slice(0, MOST_SHOWN).map((run) => (
              <Table.Tr key={run.id}>
                <Table.Td>
                  <To to={`/connections/${run.connection_id}`}>{run.connection_name}</To>
                </Table.Td>
                <Table.Td>
                  <To to={`/connections/${run.connection_id}/runs/${run.id}`}>
                    {words.runOf(run.id)}
                  </To>
                </Table.Td>
                <Table.Td>
                  {run.failure?.message}
                  {run.failure && run.failure.remedy !== "" && (
                    <Text size="sm" c="dimmed">
                      {run.failure.remedy}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>
                  <Moment instant={run.ended_at ?? run.updated_at} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Part>
  );
}

function Late({ items }: { items: Schemas["LateShown"][] }) {
  return (
    <Part title={words.late} text={words.lateText} total={items.length}>
      <Table.ScrollContainer minWidth={420}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{words.columns.connection}</Table.Th>
              <Table.Th>{words.columns.since}</Table.Th>
              <Table.Th>{words.columns.last}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.slice(0, MOST_SHOWN).map((each) => (
              <Table.Tr key={each.connection_id}>
                <Table.Td>
                  <To to={`/connections/${each.connection_id}`}>{each.connection_name}</To>
                </Table.Td>
                <Table.Td>
                  <Moment instant={each.since} />
                </Table.Td>
                <Table.Td>
                  {each.last_succeeded_at === null ? (
                    words.never
                  ) : (
                    <Moment instant={each.last_succeeded_at} />
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Part>
  );
}

function To({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Anchor
      component={Link}
      to={to}
      size="sm"
      fw={600}
      underline="never"
      style={{ whiteSpace: "nowrap" }}
    >
      {children}
    </Anchor>
  );
}

function Moment({ instant }: { instant: string }) {
  return (
    <span title={at(instant)} style={{ whiteSpace: "nowrap" }}>
      {ago(instant)}
    </span>
  );
}
