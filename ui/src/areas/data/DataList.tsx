// The way to data: connections with how fresh they are, and destinations that answer SQL.

import { Button, Group, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch, IconTableFilled } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { api, found } from "../../api/client";
import { useSession } from "../../api/session";
import { More } from "../../parts/More";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { ago, count } from "../../parts/format";
import type { Connection } from "../connections/calls";
import { words } from "./words";

const PAGE = 100;

export function DataList() {
  const { workspaceId } = useSession();
  const [search, setSearch] = useState("");
  const [settled] = useDebouncedValue(search.trim(), 200);
  const query = useInfiniteQuery({
    queryKey: ["connections", "data", workspaceId, settled],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) =>
      found(
        await api.GET("/api/v1/connections", {
          params: {
            query: {
              workspace_id: workspaceId,
              limit: PAGE,
              ...(settled === "" ? {} : { q: settled }),
              ...(pageParam === undefined ? {} : { after: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: (before) => before,
  });
  const items = (query.data?.pages.flatMap((page) => page.items) ?? []) as Connection[];
  const isEmpty = query.data !== undefined && items.length === 0;
  return (
    <Page title={words.title}>
      {query.isPending && <Waiting />}
      {query.isError && <ErrorNotice error={query.error} again={() => void query.refetch()} />}
      {isEmpty && settled === "" && (
        <EmptyState
          icon={<IconTableFilled size={40} />}
          title={words.emptyTitle}
          text={words.emptyText}
          action={
            <Button component={Link} to="/connections/new">
              {words.newConnection}
            </Button>
          }
        />
      )}
      {query.data && !(isEmpty && settled === "") && (
        <>
          <Text c="dimmed">{words.about}</Text>
          <Group>
            <TextInput
              aria-label={words.search}
              placeholder={words.search}
              leftSection={<IconSearch size={16} />}
              value={search}
              onChange={(event) => setSearch(event.currentTarget.value)}
            />
          </Group>
          {isEmpty ? <Text c="dimmed">{words.none}</Text> : <Rows items={items} />}
          <More query={query}>{words.more}</More>
        </>
      )}
    </Page>
  );
}

function Rows({ items }: { items: Connection[] }) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table highlightOnHover verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.columns.connection}</Table.Th>
            <Table.Th>{words.columns.destination}</Table.Th>
            <Table.Th>{words.columns.synced}</Table.Th>
            <Table.Th ta="right">{words.columns.rows}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.id}>
              <Table.Td>
                <Text component={Link} to={`/data/${each.id}`} fw={600} c="teal">
                  {each.name}
                </Text>
              </Table.Td>
              <Table.Td>
                <Text
                  component={Link}
                  to={`/data/destinations/${each.destination_id}`}
                  c="teal"
                  aria-label={words.ask(each.destination_name)}
                >
                  {each.destination_name}
                </Text>
              </Table.Td>
              <Table.Td>
                {each.last_succeeded_at === null ? words.never : ago(each.last_succeeded_at)}
              </Table.Td>
              <Table.Td ta="right">{each.last_run && count(each.last_run.rows_committed)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
