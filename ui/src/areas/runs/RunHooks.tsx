// What happened after a run, in its order, with the end of what each said.

import { Alert, Code, Group, Paper, Stack, Text, Title } from "@mantine/core";

import type { Schemas } from "../../api/client";
import { Status } from "../../parts/Status";
import { ago } from "../../parts/format";
import { words } from "./words";

export function RunHooks({ hooks }: { hooks: readonly Schemas["HookShown"][] }) {
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="sm">
        {words.hooks.title}
      </Title>
      <Stack>
        {hooks.map((hook) => (
          <Stack key={hook.number} gap="xs" role="group" aria-label={nameOf(hook)}>
            <Group gap="sm">
              <Status value={hook.status} />
              <Text size="sm" fw={600}>
                {nameOf(hook)}
              </Text>
              {hook.ended_at !== null && (
                <Text size="sm" c="dimmed">
                  {ago(hook.ended_at)}
                </Text>
              )}
              {hook.status === "pending" && hook.tries > 0 && (
                <Text size="sm" c="dimmed">
                  {words.hooks.again(hook.tries, ago(hook.next_at))}
                </Text>
              )}
            </Group>
            {hook.failure && (
              <Alert color="red" title={hook.failure.message}>
                {hook.failure.remedy}
              </Alert>
            )}
            {hook.output !== "" && (
              <Code block mah={240} style={{ overflow: "auto" }} tabIndex={0}>
                {hook.output}
              </Code>
            )}
          </Stack>
        ))}
      </Stack>
    </Paper>
  );
}

function nameOf(hook: Schemas["HookShown"]): string {
  const kind = words.hooks.types[hook.type] ?? hook.type;
  return hook.name === "" ? kind : `${hook.name} (${kind})`;
}
