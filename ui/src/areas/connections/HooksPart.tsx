// What happens after the runs of a connection: SQL, a webhook, dbt, a command.

import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useRef, useState } from "react";

import { ErrorNotice } from "../../parts/Notice";
import { ConnectorForm, type ConnectorFormHandle } from "../connectors/form/ConnectorForm";
import type { JsonObject } from "../connectors/form/json";
import { useChange } from "./calls";
import type { PartProps } from "./ConnectionPage";
import { HOOKS } from "./hooks";
import { words } from "./hookWords";

export default function HooksPart({ connection }: PartProps) {
  const form = useRef<ConnectorFormHandle>(null);
  const change = useChange(connection.id);
  // What was saved last; the form begins anew with it, for then each hook has its id.
  const [saved, setSaved] = useState({ version: 0, hooks: connection.hooks });
  return (
    <Paper withBorder p="lg" maw={760}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          const given = form.current?.submit();
          if (given === undefined) return;
          const hooks = (given.hooks ?? []) as JsonObject[];
          change.mutate(
            { hooks },
            {
              onSuccess: (changed) =>
                setSaved({ version: saved.version + 1, hooks: changed.hooks }),
            },
          );
        }}
      >
        <Stack>
          <Title order={2} size="h4">
            {words.title}
          </Title>
          <Text size="sm">{words.says}</Text>
          <ConnectorForm
            key={saved.version}
            ref={form}
            schema={HOOKS}
            saved={{ hooks: saved.hooks as JsonObject[] }}
          />
          {change.isError && <ErrorNotice error={change.error} />}
          <Group aria-live="polite">
            <Button type="submit" loading={change.isPending}>
              {words.save}
            </Button>
            {change.isSuccess && (
              <Text size="sm" c="dimmed">
                {words.saved}
              </Text>
            )}
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}
