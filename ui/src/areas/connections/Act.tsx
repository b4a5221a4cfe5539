// Refreshing and clearing, asked for with what it does to the rows that are there.

import { Radio, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { Confirm } from "../../parts/Confirm";
import { useStart, type Connection } from "./calls";
import { titleOf } from "./choices";
import { words } from "./words";

export type ActKind = "refresh" | "clear";

export function Act(props: {
  kind: ActKind;
  connection: Connection;
  /** Only this stream; else all. */
  stream?: { name: string; namespace?: string | null };
  onDone: () => void;
}) {
  const { kind, connection, stream, onDone } = props;
  const [mode, setMode] = useState<"truncate" | "merge">("truncate");
  const start = useStart(connection.id);
  const what = stream ? titleOf(stream) : words.act.all;
  const run = () =>
    start.mutate(
      {
        kind,
        ...(kind === "refresh" ? { refresh_mode: mode } : {}),
        ...(stream ? { streams: [[stream.namespace ?? null, stream.name]] } : {}),
      },
      { onSuccess: onDone },
    );
  const isClear = kind === "clear";
  return (
    <Confirm
      title={isClear ? words.act.clearTitle(what) : words.act.refreshTitle(what)}
      yes={isClear ? words.act.clear : words.act.refresh}
      no={words.act.back}
      isDangerous={isClear}
      isPending={start.isPending}
      error={start.error}
      onYes={run}
      onNo={onDone}
    >
      {isClear ? (
        <Text size="sm">{words.act.clearText}</Text>
      ) : (
        <Radio.Group
          label={words.act.refreshText}
          value={mode}
          onChange={(value) => setMode(value)}
        >
          <Stack gap="xs" mt="sm">
            <Radio value="truncate" label={words.act.truncate} />
            <Radio value="merge" label={words.act.merge} />
          </Stack>
        </Radio.Group>
      )}
    </Confirm>
  );
}
