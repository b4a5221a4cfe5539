// All connections with where they stand; searched and filtered by the server, a page at a time.

import { Badge, Button, Group, NativeSelect, Switch, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconArrowsRightLeft, IconPlus, IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { api, found } from "../../api/client";
import { useSession } from "../../api/session";
import { More } from "../../parts/More";
import { useAddress } from "../../parts/address";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { ago, count } from "../../parts/format";
import { useChange, type Connection } from "./calls";
import { TagBadge, useTags, type Tag } from "./tags";
import { words } from "./words";

const PAGE = 100;
type Filter = keyof typeof words.list.statuses;
const FILTERS = Object.entries(words.list.statuses).map(([value, label]) => ({ value, label }));

export function ConnectionList() {
  const { workspaceId } = useSession();
  const [asked = "", setAsked] = useAddress("q");
  const [status = "all", setStatus] = useAddress("status");
  const [tag, setTag] = useAddress("tag");
  const tags = useTags(workspaceId);
  const [search, setSearch] = useState(asked);
  const [settled] = useDebouncedValue(search.trim(), 200);
  useEffect(() => {
    if (settled !== asked) setAsked(settled === "" ? undefined : settled);
  }, [settled, asked, setAsked]);
  const filter: Filter = status === "active" || status === "inactive" ? status : "all";
  const query = useInfiniteQuery({
    queryKey: ["connections", "list", workspaceId, settled, filter, tag],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) =>
      found(
        await api.GET("/api/v1/connections", {
          params: {
            query: {
              workspace_id: workspaceId,
              limit: PAGE,
              ...(settled === "" ? {} : { q: settled }),
              ...(filter === "all" ? {} : { status: [filter] }),
              ...(tag === undefined ? {} : { tag_id: [tag] }),
              ...(pageParam === undefined ? {} : { after: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: (before) => before,
  });
  const add = (
    <Button component={Link} to="/connections/new" leftSection={<IconPlus size={16} />}>
      {words.newConnection}
    </Button>
  );
  const items = (query.data?.pages.flatMap((page) => page.items) ?? []) as Connection[];
  const isNarrowed = settled !== "" || filter !== "all" || tag !== undefined;
  const isEmpty = query.data !== undefined && items.length === 0;
  return (
    <Page title={words.connections} actions={add}>
      {query.isPending && <Waiting />}
      {query.isError && <ErrorNotice error={query.error} again={() => void query.refetch()} />}
      {isEmpty && !isNarrowed && (
        <EmptyState
          icon={<IconArrowsRightLeft size={40} />}
          title={words.list.emptyTitle}
          text={words.list.emptyText}
          action={add}
        />
      )}
      {query.data && !(isEmpty && !isNarrowed) && (
        <>
          <Group gap="xs">
            <TextInput
              aria-label={words.list.search}
              placeholder={words.list.search}
              leftSection={<IconSearch size={16} />}
              value={search}
              onChange={(event) => setSearch(event.currentTarget.value)}
            />
            <NativeSelect
              aria-label={words.list.status}
              data={FILTERS}
              value={filter}
              onChange={(event) => setStatus(event.currentTarget.value)}
            />
            {tags.data && tags.data.length > 0 && (
              <NativeSelect
                aria-label={words.tags.filter}
                data={[
                  { value: "", label: words.tags.all },
                  ...tags.data.map((each) => ({ value: each.id, label: each.name })),
                ]}
                value={tag ?? ""}
                onChange={(event) => setTag(event.currentTarget.value || undefined)}
              />
            )}
          </Group>
          {isEmpty && <Text c="dimmed">{words.list.none}</Text>}
          {items.length > 0 && <Rows items={items} tags={tags.data ?? []} />}
          <More query={query}>{words.list.more}</More>
        </>
      )}
    </Page>
  );
}

function Rows({ items, tags }: { items: Connection[]; tags: readonly Tag[] }) {
  return (
    <Table.ScrollContainer minWidth={720}>
      <Table highlightOnHover verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.list.columns.name}</Table.Th>
            <Table.Th>{words.list.columns.last}</Table.Th>
            <Table.Th ta="right">{words.list.columns.rows}</Table.Th>
            <Table.Th>{words.list.columns.when}</Table.Th>
            <Table.Th>{words.list.columns.next}</Table.Th>
            <Table.Th>{words.list.columns.isOn}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <Row
              key={each.id}
              connection={each}
              tags={tags.filter((tag) => each.tags.includes(tag.id))}
            />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ connection, tags }: { connection: Connection; tags: readonly Tag[] }) {
  const change = useChange(connection.id);
  const last = connection.last_run;
  const isOn = connection.status === "active";
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap="xs">
          <Text component={Link} to={`/connections/${connection.id}`} fw={600} c="teal">
            {connection.name}
          </Text>
          {connection.has_breaking_change && (
            <Badge color="red" variant="light" tt="none">
              {words.list.breaking}
            </Badge>
          )}
          {tags.map((tag) => (
            <TagBadge key={tag.id} tag={tag} />
          ))}
        </Group>
        <Text size="xs" c="dimmed">
          {connection.source_name} → {connection.destination_name}
        </Text>
      </Table.Td>
      <Table.Td>
        <Status value={last?.status ?? "never"} />
      </Table.Td>
      <Table.Td ta="right" style={{ fontVariantNumeric: "tabular-nums" }}>
        {last ? count(last.rows_committed) : "–"}
      </Table.Td>
      <Table.Td>{last?.ended_at ? ago(last.ended_at) : "–"}</Table.Td>
      <Table.Td>
        {!isOn
          ? words.list.isOff
          : connection.next_run_at
            ? ago(connection.next_run_at)
            : words.list.byHand}
      </Table.Td>
      <Table.Td>
        <Switch
          aria-label={words.list.switch(connection.name)}
          checked={isOn}
          disabled={change.isPending}
          onChange={(event) =>
            change.mutate({ status: event.currentTarget.checked ? "active" : "inactive" })
          }
        />
        {change.isError && <ErrorNotice error={change.error} />}
      </Table.Td>
    </Table.Tr>
  );
}
