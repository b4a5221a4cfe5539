// A destination: the tables that connections write into it, and what it answers to SQL.

import { Alert, Anchor, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { api, found } from "../../api/client";
import { More } from "../../parts/More";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import type { Connection } from "../connections/calls";
import { one } from "../connectors/calls";
import { Question } from "./Question";
import { TableList, keyOf } from "./TableList";
import { MOST_COUNTED, useFacts, useNames, useTables } from "./calls";
import { words } from "./words";

const PAGE = 10;
/** A count asks the destination: with more connections than these only when somebody wants it. */
const COUNTED_AT_ONCE = 3;

export function DestinationData() {
  const { destinationId = "" } = useParams({ strict: false });
  const destination = useQuery({
    queryKey: ["destinations", destinationId],
    queryFn: () => one("destination", destinationId),
  });
  const facts = useFacts(destinationId);
  const problem = destination.error ?? facts.error;
  if (problem != null) return <ErrorNotice error={problem} again={() => void facts.refetch()} />;
  if (!destination.data || !facts.data) return <Waiting />;
  return (
    <Page title={destination.data.name} crumbs={[{ to: "/data", label: words.title }]}>
      <Stack gap="lg">
        <Written destinationId={destinationId} readsBack={facts.data.reads_back} />
        <Stack gap="xs">
          <Title order={2} size="h4">
            {words.sql.title(destination.data.name)}
          </Title>
          {facts.data.confines_sql ? (
            <Question key={destinationId} destinationId={destinationId} first="" />
          ) : (
            <Alert color="yellow" title={words.sql.unable} />
          )}
        </Stack>
      </Stack>
    </Page>
  );
}

function Written({ destinationId, readsBack }: { destinationId: string; readsBack: boolean }) {
  const query = useInfiniteQuery({
    queryKey: ["connections", "into", destinationId],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) =>
      found(
        await api.GET("/api/v1/connections", {
          params: {
            query: {
              destination_id: [destinationId],
              limit: PAGE,
              ...(pageParam === undefined ? {} : { after: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  if (query.isPending) return <Waiting />;
  if (query.isError) return <ErrorNotice error={query.error} again={() => void query.refetch()} />;
  const items = query.data.pages.flatMap((page) => page.items) as Connection[];
  return (
    <Stack gap="lg">
      {!readsBack && <Alert color="yellow" title={words.tables.hidden} />}
      {items.length === 0 && <Text c="dimmed">{words.into.none}</Text>}
      {items.map((each) => (
        <TablesOf
          key={each.id}
          connection={each}
          readsBack={readsBack}
          isCounted={items.length <= COUNTED_AT_ONCE}
        />
      ))}
      <More query={query}>{words.more}</More>
    </Stack>
  );
}

function TablesOf(props: { connection: Connection; readsBack: boolean; isCounted: boolean }) {
  const { connection, readsBack, isCounted } = props;
  const navigate = useNavigate();
  const [wanted, want] = useState(isCounted);
  const names = useNames(connection);
  const isFew = names.data !== undefined && names.data.length <= MOST_COUNTED;
  const tables = useTables(connection.id, undefined, readsBack && isFew && wanted);
  const known = new Map(tables.data?.map((table) => [keyOf(table), table]));
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={2} size="h4">
          {words.into.from}{" "}
          <Anchor component={Link} to={`/data/${connection.id}`} inherit>
            {connection.name}
          </Anchor>
        </Title>
        {readsBack && isFew && !wanted && (
          <Button size="xs" variant="default" onClick={() => want(true)}>
            {words.into.count}
          </Button>
        )}
      </Group>
      {names.isPending && <Waiting text={words.tables.looking} />}
      {names.isError && <ErrorNotice error={names.error} again={() => void names.refetch()} />}
      {tables.isError && <ErrorNotice error={tables.error} again={() => void tables.refetch()} />}
      {names.data?.length === 0 && <Text c="dimmed">{words.tables.empty}</Text>}
      {names.data && names.data.length > 0 && (
        <TableList
          label={words.into.tables(connection.name)}
          names={names.data}
          known={known}
          isWaiting={tables.isFetching}
          open={undefined}
          choose={
            readsBack
              ? (name) =>
                  void navigate({
                    to: "/data/$connectionId",
                    params: { connectionId: connection.id },
                    search: { table: keyOf(name) } as never,
                  })
              : undefined
          }
        />
      )}
    </Stack>
  );
}
