// Rows that a destination gave, how many of them, and the same as a file.

import { Button, Group, Stack, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";

import type { Schemas } from "../../api/client";
import { RowsTable } from "../../parts/RowsTable";
import { download } from "../../parts/download";
import { csvOf } from "./csv";
import { words } from "./words";

export function Answer(props: {
  rows: Schemas["RowsShown"];
  label: string;
  /** Of the file, without its ending. */
  name: string;
  none: string;
}) {
  const { rows, label, name, none } = props;
  const number = rows.rows.length;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text size="sm" c="dimmed" role="status">
          {rows.is_cut ? words.rows.cut(number) : words.rows.all(number)}
          {rows.values_cut > 0 && ` ${words.rows.valuesCut(rows.values_cut)}`}
        </Text>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconDownload size={14} />}
          onClick={() => download(`${name}.csv`, csvOf(rows), "text/csv;charset=utf-8")}
        >
          {words.rows.download}
        </Button>
      </Group>
      {number === 0 ? <Text c="dimmed">{none}</Text> : <RowsTable rows={rows} label={label} />}
    </Stack>
  );
}
