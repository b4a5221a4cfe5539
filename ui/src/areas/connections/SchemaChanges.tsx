// How a source has changed since its streams were chosen, and the approval of that.

import {
  Alert,
  Badge,
  Button,
  Checkbox,
  Code,
  Group,
  Paper,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, found } from "../../api/client";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { ago } from "../../parts/format";
import { WindowedTable } from "../../parts/windowed";
import { useDiscovery, type Connection } from "./calls";
import { keyOf, titleOf, typeOf, type Choice } from "./choices";
import { text } from "./history";
import { words } from "./words";

const ROW = 44;

export function SchemaChanges(props: {
  connection: Connection;
  /** Choices not saved yet: they are approved along with the changes. */
  chosen: Choice[] | undefined;
}) {
  const { connection, chosen } = props;
  const client = useQueryClient();
  const discovery = useDiscovery(connection.source_id);
  const [added, setAdded] = useState<ReadonlySet<string>>(new Set());
  const [isBackfill, setIsBackfill] = useState(connection.backfills_new_columns);
  const difference = useQuery({
    queryKey: ["schema-diff", connection.id],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/connections/{connection_id}/schema-difference", {
          params: { path: { connection_id: connection.id } },
        }),
      ),
  });
  const approve = useMutation({
    mutationFn: async (catalogId: string) =>
      found(
        await api.POST("/api/v1/connections/{connection_id}/schema-approval", {
          params: { path: { connection_id: connection.id } },
          body: {
            catalog_id: catalogId,
            added: [...added].map((key) => JSON.parse(key) as [string | null, string]),
            streams: chosen ?? null,
            backfills: isBackfill,
            switches_on: true,
          },
        }),
      ) as Connection,
    onSuccess: async (changed) => {
      client.setQueryData(["connection", connection.id], changed);
      setAdded(new Set());
      for (const key of ["schema-diff", "connections", "events"])
        await client.invalidateQueries({ queryKey: [key] });
    },
  });
  const changes = difference.data?.changes ?? [];
  const hasNewFields = changes.some((each) => each.transform === "add_field");
  return (
    <Paper withBorder p="lg">
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="sm" align="baseline">
            <Title order={2} size="h4">
              {words.schema.title}
            </Title>
            {difference.data && (
              <Text size="sm" c="dimmed">
                {words.schema.at(ago(difference.data.discovered_at))}
              </Text>
            )}
          </Group>
          <Button
            variant="default"
            loading={discovery.isPending}
            onClick={() => discovery.mutate()}
          >
            {words.schema.ask}
          </Button>
        </Group>
        {discovery.isPending && <Waiting text={words.schema.asking} />}
        {discovery.isError && <ErrorNotice error={discovery.error} />}
        {difference.isError && <ErrorNotice error={difference.error} />}
        {difference.data && changes.length === 0 && (
          <Text size="sm" aria-live="polite">
            {approve.isSuccess ? words.schema.approved : words.schema.none}
          </Text>
        )}
        {changes.length > 0 && (
          <>
            <Text size="sm">{words.schema.approveSays}</Text>
            {difference.data?.is_breaking && (
              <Alert color="red" title={words.page.breaking} role="alert">
                {words.schema.breakingText}
              </Alert>
            )}
            <WindowedTable
              label={words.schema.title}
              rows={changes}
              rowHeight={ROW}
              maxHeight={360}
            >
              {(drawn, above, below) => (
                <Table stickyHeader miw={680}>
                  <Table.Thead style={{ background: "var(--mantine-color-body)" }}>
                    <Table.Tr>
                      <Table.Th>{words.schema.columns.change}</Table.Th>
                      <Table.Th>{words.schema.columns.stream}</Table.Th>
                      <Table.Th>{words.schema.columns.field}</Table.Th>
                      <Table.Th>{words.schema.columns.from}</Table.Th>
                      <Table.Th>{words.schema.columns.to}</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {above}
                    {drawn.map(({ row }) => {
                      const key = keyOf(row.stream);
                      const name = titleOf(row.stream);
                      return (
                        <Table.Tr key={`${row.transform} ${key} ${row.field}`} h={ROW}>
                          <Table.Td>
                            <Group gap="xs" wrap="nowrap">
                              {words.schema.transforms[row.transform] ?? row.transform}
                              {row.is_breaking && (
                                <Badge color="red" variant="light" tt="none">
                                  {words.schema.breaking}
                                </Badge>
                              )}
                            </Group>
                          </Table.Td>
                          <Table.Td>
                            {row.transform === "add_stream" ? (
                              <Checkbox
                                label={name}
                                aria-label={words.schema.takeStream(name)}
                                checked={added.has(key)}
                                onChange={(event) => {
                                  const next = new Set(added);
                                  if (event.currentTarget.checked) next.add(key);
                                  else next.delete(key);
                                  setAdded(next);
                                }}
                              />
                            ) : (
                              name
                            )}
                          </Table.Td>
                          <Table.Td ff="monospace">{row.field}</Table.Td>
                          <Table.Td>{row.old != null && <Code>{typeText(row.old)}</Code>}</Table.Td>
                          <Table.Td>{row.new != null && <Code>{typeText(row.new)}</Code>}</Table.Td>
                        </Table.Tr>
                      );
                    })}
                    {below}
                  </Table.Tbody>
                </Table>
              )}
            </WindowedTable>
            {hasNewFields && (
              <Checkbox
                label={words.schema.backfill}
                checked={isBackfill}
                onChange={(event) => setIsBackfill(event.currentTarget.checked)}
              />
            )}
            {approve.isError && <ErrorNotice error={approve.error} />}
            <div>
              <Button
                loading={approve.isPending}
                onClick={() => approve.mutate(difference.data?.catalog_id ?? "")}
              >
                {words.schema.approve}
              </Button>
            </div>
          </>
        )}
      </Stack>
    </Paper>
  );
}

/** Returns a field's schema in a word, a key's fields by their names. */
function typeText(value: unknown): string {
  if (Array.isArray(value))
    return value.map((path) => (Array.isArray(path) ? path.join(".") : String(path))).join(", ");
  if (typeof value === "object" && value !== null) return typeOf(value as Record<string, unknown>);
  return text(value);
}
