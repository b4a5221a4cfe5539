// The read-only SQL box of a destination, and its answer.

import { Button, Group, Loader, NativeSelect, Stack, Text, Textarea } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";

import { ErrorNotice } from "../../parts/Notice";
import { Answer } from "./Answer";
import { useQuestion } from "./calls";
import { words } from "./words";

const LIMITS = ["100", "500", "1000"];

export function Question(props: { destinationId: string; first: string }) {
  const { destinationId, first } = props;
  const [sql, setSql] = useState(first);
  const [limit, setLimit] = useState("100");
  const question = useQuestion(destinationId);
  const canRun = sql.trim() !== "" && !question.isPending;
  const run = () => {
    if (canRun) question.mutate({ sql, limit: Number(limit), seconds: 30 });
  };
  return (
    <Stack>
      <Textarea
        label={words.sql.label}
        description={words.sql.about}
        autosize
        minRows={4}
        maxRows={16}
        spellCheck={false}
        placeholder={words.sql.example}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        value={sql}
        onChange={(event) => setSql(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          run();
        }}
      />
      <Group align="end">
        <Button
          leftSection={<IconPlayerPlay size={16} />}
          loading={question.isPending}
          disabled={sql.trim() === ""}
          onClick={run}
        >
          {words.sql.run}
        </Button>
        <NativeSelect
          label={words.sql.limit}
          data={LIMITS}
          value={limit}
          onChange={(event) => setLimit(event.currentTarget.value)}
        />
        <Text size="sm" c="dimmed" visibleFrom="sm">
          {words.sql.shortcut}
        </Text>
      </Group>
      {question.isPending && (
        <Group gap="xs" role="status">
          <Loader size="xs" />
          <Text size="sm">{words.sql.running}</Text>
        </Group>
      )}
      {question.isError && <ErrorNotice error={question.error} />}
      {question.data && (
        <Answer rows={question.data} label={words.sql.result} name="answer" none={words.sql.none} />
      )}
    </Stack>
  );
}
