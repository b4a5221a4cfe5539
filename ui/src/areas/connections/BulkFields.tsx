// Cursor and key of many streams at once, set where a stream has the fields.

import { Button, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { ErrorNotice } from "../../parts/Notice";
import { fieldsOf } from "./calls";
import { withCursorAndKey, type Draft, type Entry } from "./choices";
import { words } from "./words";

/** Each stream's fields are asked for; more of them would keep a browser waiting too long. */
const LIMIT = 500;
const AT_ONCE = 6;

export function BulkFields(props: {
  sourceId: string;
  draft: Draft;
  entries: readonly Entry[];
  onDone: (next: Draft | undefined, says: string) => void;
}) {
  const { sourceId, draft, entries, onDone } = props;
  const client = useQueryClient();
  const [cursor, setCursor] = useState("");
  const [key, setKey] = useState("");
  const names = key
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const isTooMany = entries.length > LIMIT;
  const apply = useMutation({
    mutationFn: async () => {
      const fields = new Map<string, ReadonlySet<string>>();
      const waiting = entries.filter((entry) => entry.found !== undefined);
      const work = async () => {
        for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
          const { choice } = entry;
          const found = await client.query({
            queryKey: ["fields", sourceId, choice.namespace ?? null, choice.name],
            queryFn: () => fieldsOf(sourceId, choice),
            staleTime: 60_000,
          });
          fields.set(entry.key, new Set(found.map((field) => field.path[0] ?? "")));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      return withCursorAndKey(draft, fields, cursor.trim(), names);
    },
    onSuccess: ([next, set]) => onDone(next, words.bulk.done(set, entries.length - set)),
  });
  return (
    <Paper withBorder p="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          apply.mutate();
        }}
      >
        <Stack gap="sm">
          <Text fw={600}>{words.bulk.title}</Text>
          <Text size="sm" c="dimmed">
            {isTooMany ? words.bulk.tooMany(LIMIT) : words.bulk.about}
          </Text>
          <Group align="end">
            <TextInput
              label={words.bulk.cursor}
              placeholder={words.bulk.cursorHint}
              value={cursor}
              onChange={(event) => setCursor(event.currentTarget.value)}
            />
            <TextInput
              label={words.bulk.key}
              placeholder={words.bulk.keyHint}
              w={300}
              value={key}
              onChange={(event) => setKey(event.currentTarget.value)}
            />
            <Button
              type="submit"
              loading={apply.isPending}
              disabled={isTooMany || (cursor.trim() === "" && names.length === 0)}
            >
              {words.bulk.apply}
            </Button>
            <Button variant="default" onClick={() => onDone(undefined, "")}>
              {words.bulk.cancel}
            </Button>
          </Group>
          {apply.isError && <ErrorNotice error={apply.error} />}
        </Stack>
      </form>
    </Paper>
  );
}
