// The first rows of a stream, read from its source when asked for.

import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";

import { api, found } from "../../api/client";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { RowsTable } from "../../parts/RowsTable";
import type { Choice } from "./choices";
import { words } from "./words";

export function FirstRows(props: {
  sourceId: string;
  choice: Choice;
  /** As they land: with fields left out and mappers applied; else as the source gives them. */
  isMapped: boolean;
  connectionId?: string;
}) {
  const { sourceId, choice, isMapped, connectionId } = props;
  const preview = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/sources/{source_id}/preview", {
          params: { path: { source_id: sourceId } },
          body: {
            stream: choice.name,
            namespace: choice.namespace ?? null,
            selected_fields: choice.selected_fields ?? null,
            mappers: isMapped ? choice.mappers : [],
            connection_id: connectionId ?? null,
            limit: 10,
          },
        }),
      ),
  });
  const title = isMapped ? words.mappings.after : words.details.rows;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={isMapped ? 2 : 3} size="h5">
          {title}
        </Title>
        <Button
          size="xs"
          variant="default"
          loading={preview.isPending}
          onClick={() => preview.mutate()}
        >
          {isMapped ? words.mappings.preview : words.details.showRows}
        </Button>
      </Group>
      {preview.isPending && (
        <Waiting text={isMapped ? words.mappings.previewing : words.details.readingRows} />
      )}
      {preview.isError && <ErrorNotice error={preview.error} />}
      {preview.data?.rows.length === 0 && (
        <Text size="sm" c="dimmed">
          {words.details.noRows}
        </Text>
      )}
      {preview.data && preview.data.rows.length > 0 && (
        <RowsTable rows={preview.data} label={title} />
      )}
    </Stack>
  );
}
