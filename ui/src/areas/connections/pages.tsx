// Connections: their list and the page of one, with its runs.

import { Button, Group, Table, Text } from "@mantine/core";
import { IconArrowsRightLeft, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";

import { api, found } from "../../api/client";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { ago, count } from "../../parts/format";
import { RunTable } from "./RunTable";

export { NewConnection } from "./NewConnection";
export { RunPage } from "./RunPage";

export function ConnectionList() {
  const query = useQuery({
    queryKey: ["connections"],
    queryFn: async () =>
      found(await api.GET("/api/v1/connections", { params: { query: { limit: 500 } } })),
  });
  const add = (
    <Button component={Link} to="/connections/new" leftSection={<IconPlus size={16} />}>
      New connection
    </Button>
  );
  return (
    <Page title="Connections" actions={add}>
      {query.isPending && <Waiting />}
      {query.isError && <ErrorNotice error={query.error} again={() => void query.refetch()} />}
      {query.data?.items.length === 0 && (
        <EmptyState
          icon={<IconArrowsRightLeft size={40} />}
          title="No connection yet"
          text="A connection moves rows from a source to a destination, by hand or by the clock."
          action={add}
        />
      )}
      {query.data && query.data.items.length > 0 && (
        <Table.ScrollContainer minWidth={560}>
          <Table highlightOnHover verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Name</Table.Th>
                <Table.Th>Last run</Table.Th>
                <Table.Th ta="right">Rows</Table.Th>
                <Table.Th>Next</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {query.data.items.map((each) => (
                <Table.Tr key={each.id}>
                  <Table.Td>
                    <Text component={Link} to={`/connections/${each.id}`} fw={600} c="teal">
                      {each.name}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Status value={each.last_run?.status ?? "never"} />
                  </Table.Td>
                  <Table.Td ta="right">
                    {each.last_run ? count(each.last_run.rows_committed) : "–"}
                  </Table.Td>
                  <Table.Td>{each.next_run_at ? ago(each.next_run_at) : "by hand"}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Page>
  );
}

export function ConnectionPage() {
  const { connectionId = "" } = useParams({ strict: false });
  const navigate = useNavigate();
  const connection = useQuery({
    queryKey: ["connection", connectionId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/connections/{connection_id}", {
          params: { path: { connection_id: connectionId } },
        }),
      ),
  });
  const runs = useQuery({
    queryKey: ["runs", "of", connectionId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/runs", { params: { query: { connection_id: [connectionId] } } }),
      ),
  });
  const sync = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/connections/{connection_id}/runs", {
          params: { path: { connection_id: connectionId } },
          body: { kind: "sync" },
        }),
      ),
    onSuccess: (run) => navigate({ to: `/connections/${connectionId}/runs/${run.id}` }),
  });
  if (connection.isPending) return <Waiting />;
  if (connection.isError) return <ErrorNotice error={connection.error} />;
  const shown = connection.data;
  return (
    <Page
      title={shown.name}
      crumbs={[{ to: "/connections", label: "Connections" }]}
      actions={
        <Button loading={sync.isPending} onClick={() => sync.mutate()}>
          Sync now
        </Button>
      }
    >
      {sync.isError && <ErrorNotice error={sync.error} />}
      <Group>
        <Text>
          {shown.source_name} → {shown.destination_name}
        </Text>
        <Text c="dimmed">
          {shown.streams === null ? "all streams" : `${count(shown.streams.length)} streams`},{" "}
          {shown.next_run_at ? `next run ${ago(shown.next_run_at)}` : "runs by hand"}
        </Text>
      </Group>
      {runs.isError && <ErrorNotice error={runs.error} />}
      {runs.data && <RunTable runs={runs.data.items} />}
    </Page>
  );
}
