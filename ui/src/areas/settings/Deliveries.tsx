// What was sent to a channel, waits, or was given up; the last can be sent again.

import { Button, Table, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";

import { api, found } from "../../api/client";
import { More } from "../../parts/More";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { ago, count } from "../../parts/format";
import { words as all } from "./words";

const words = all.notifications;
const PAGE = 20;

export function Deliveries({ channelId }: { channelId: string }) {
  const client = useQueryClient();
  const query = useInfiniteQuery({
    queryKey: ["deliveries", channelId],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) =>
      found(
        await api.GET("/api/v1/channels/{channel_id}/deliveries", {
          params: {
            path: { channel_id: channelId },
            query: { limit: PAGE, ...(pageParam === undefined ? {} : { after: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
    refetchInterval: 5_000,
  });
  const again = useMutation({
    mutationFn: (id: number) =>
      api.POST("/api/v1/channels/{channel_id}/deliveries/{delivery_id}/retry", {
        params: { path: { channel_id: channelId, delivery_id: id } },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["deliveries", channelId] }),
  });
  if (query.isPending) return <Waiting />;
  if (query.isError) return <ErrorNotice error={query.error} again={() => void query.refetch()} />;
  const items = query.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <Text c="dimmed">{words.noneSent}</Text>;
  return (
    <>
      {again.isError && <ErrorNotice error={again.error} />}
      <Table fz="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.columns.event}</Table.Th>
            <Table.Th>{words.columns.status}</Table.Th>
            <Table.Th ta="right">{words.columns.tries}</Table.Th>
            <Table.Th>{words.columns.when}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.id}>
              <Table.Td>
                {each.kind}
                {each.last_error !== null && (
                  <Text size="xs" c="dimmed">
                    {each.last_error}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>
                {words.statuses[each.status]}
                {each.status === "failed" && (
                  <div>
                    <Button
                      size="compact-xs"
                      variant="default"
                      disabled={again.isPending}
                      onClick={() => again.mutate(each.id)}
                    >
                      {words.sendAgain}
                    </Button>
                  </div>
                )}
              </Table.Td>
              <Table.Td ta="right">{count(each.tries)}</Table.Td>
              <Table.Td>{ago(each.sent_at ?? each.created_at)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <More query={query} size="xs">
        {all.more}
      </More>
    </>
  );
}
