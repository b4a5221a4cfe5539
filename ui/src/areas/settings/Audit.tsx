// Who did what: the audit log, a page at a time.

import { Code, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { More } from "../../parts/More";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { at } from "../../parts/format";
import { MayAdminister } from "./MayAdminister";
import { words as all } from "./words";

const words = all.audit;
type Entry = Schemas["AuditShown"];

export default function Audit() {
  const { workspaceId } = useSession();
  return (
    <MayAdminister workspaceId={workspaceId}>
      <List />
    </MayAdminister>
  );
}

function List() {
  const { session, workspaceId } = useSession();
  const [search, setSearch] = useState("");
  // Who administers everything sees everything; others their workspace.
  const wanted = session.is_admin ? {} : { workspace_id: workspaceId };
  const query = useInfiniteQuery({
    queryKey: ["audit", wanted],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) =>
      found(
        await api.GET("/api/v1/audit", {
          params: {
            query: {
              limit: 100,
              ...wanted,
              ...(pageParam === undefined ? {} : { after: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  if (query.isPending) return <Waiting />;
  if (query.isError) return <ErrorNotice error={query.error} again={() => void query.refetch()} />;
  const entries = query.data.pages.flatMap((page) => page.items);
  const sought = search.trim().toLowerCase();
  const shown = entries.filter((each) => textOf(each).includes(sought));
  return (
    <Stack>
      <Text c="dimmed">{words.about}</Text>
      {entries.length === 0 ? (
        <Text>{words.none}</Text>
      ) : (
        <TextInput
          aria-label={words.search}
          placeholder={words.search}
          leftSection={<IconSearch size={16} />}
          maw={420}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
      )}
      {entries.length > 0 && shown.length === 0 && <Text c="dimmed">{words.noneFits}</Text>}
      {shown.length > 0 && <Rows entries={shown} />}
      <More query={query}>{all.more}</More>
    </Stack>
  );
}

function textOf(entry: Entry): string {
  return `${entry.actor} ${entry.action} ${entry.target_kind} ${nameIn(entry)}`.toLowerCase();
}

function nameIn(entry: Entry): string {
  const name = entry.detail.name;
  return typeof name === "string" ? name : entry.target_id;
}

function Rows({ entries }: { entries: Entry[] }) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table fz="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.columns.at}</Table.Th>
            <Table.Th>{words.columns.actor}</Table.Th>
            <Table.Th>{words.columns.action}</Table.Th>
            <Table.Th>{words.columns.target}</Table.Th>
            <Table.Th>{words.columns.detail}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((each) => (
            <Table.Tr key={each.id}>
              <Table.Td style={{ whiteSpace: "nowrap" }}>{at(each.at)}</Table.Td>
              <Table.Td>{each.actor}</Table.Td>
              <Table.Td>{each.action}</Table.Td>
              <Table.Td>{nameIn(each)}</Table.Td>
              <Table.Td>
                {Object.keys(each.detail).length > 0 && (
                  <details>
                    <summary>{words.details}</summary>
                    <Code block tabIndex={0} style={{ whiteSpace: "pre-wrap" }}>
                      {JSON.stringify(each.detail, null, 2)}
                    </Code>
                  </details>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
