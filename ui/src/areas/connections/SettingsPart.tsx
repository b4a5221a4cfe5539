// The settings of a connection: name, times, tables, what follows from a changed schema, removal.

import {
  Alert,
  Button,
  Group,
  NumberInput,
  Paper,
  Radio,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api } from "../../api/client";
import { Confirm } from "../../parts/Confirm";
import { ErrorNotice } from "../../parts/Notice";
import {
  useCatalog,
  useChange,
  type Connection,
  type ConnectionChange,
  type Schedule,
} from "./calls";
import type { PartProps } from "./ConnectionPage";
import type { Choice } from "./choices";
import { Landing } from "./Landing";
import { useNames } from "./names";
import { asFields, namingOf, type Naming } from "./naming";
import { StreamTimes, areComplete } from "./StreamTimes";
import { TagsField } from "./tags";
import { Times } from "./Times";
import { words } from "./words";

const NO_CHOICES: Choice[] = [];
type Policy = Connection["schema_policy"];

interface Form {
  name: string;
  isOn: boolean;
  tags: string[];
  schedule: Connection["schedule"];
  streamSchedules: Schedule[];
  naming: Naming;
  policy: Policy;
  isBackfill: boolean;
  isNotified: boolean;
  priority: number;
}

const formOf = (connection: Connection): Form => ({
  name: connection.name,
  isOn: connection.status === "active",
  tags: connection.tags,
  schedule: connection.schedule,
  streamSchedules: connection.stream_schedules,
  naming: namingOf(connection),
  policy: connection.schema_policy,
  isBackfill: connection.backfills_new_columns,
  isNotified: connection.notifies_schema_changes,
  priority: connection.priority,
});

/** Returns only what was changed: what others save meanwhile stays. */
function changesOf(before: Form, after: Form, connection: Connection): ConnectionChange {
  const is = (name: keyof Form) => JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  return {
    ...(is("name") ? { name: after.name } : {}),
    ...(is("isOn") ? { status: after.isOn ? ("active" as const) : ("inactive" as const) } : {}),
    ...(is("tags") ? { tags: after.tags } : {}),
    ...(is("streamSchedules") ? { stream_schedules: after.streamSchedules } : {}),
    ...(is("schedule") ? { schedule: after.schedule } : {}),
    ...(is("naming") ? asFields(after.naming, connection.settings) : {}),
    ...(is("policy") ? { schema_policy: after.policy } : {}),
    ...(is("isBackfill") ? { backfills_new_columns: after.isBackfill } : {}),
    ...(is("isNotified") ? { notifies_schema_changes: after.isNotified } : {}),
    ...(is("priority") ? { priority: after.priority } : {}),
  };
}

export default function SettingsPart({ connection }: PartProps) {
  const kept = formOf(connection);
  const [base, setBase] = useState(kept);
  const [form, setForm] = useState(kept);
  const isTouched = JSON.stringify(form) !== JSON.stringify(base);
  // Settings that another page saved are shown, unless one is editing here.
  if (!isTouched && JSON.stringify(kept) !== JSON.stringify(base)) {
    setBase(kept);
    setForm(kept);
  }
  const change = useChange(connection.id);
  const catalog = useCatalog(connection.streams === null ? connection.source_id : null);
  const choices =
    connection.streams ?? catalog.data?.streams.map((each) => each.suggested) ?? NO_CHOICES;
  const names = useNames({
    sourceId: connection.source_id,
    destinationId: connection.destination_id,
    choices,
    naming: form.naming,
  });
  const set = (part: Partial<Form>) => setForm((before) => ({ ...before, ...part }));
  const isNamed = form.name.trim() !== "";
  return (
    <Stack gap="lg">
      {connection.managed_by !== null && (
        <Alert color="blue" role="status">
          {words.settings.managed(connection.managed_by)}
        </Alert>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate(changesOf(base, form, connection), {
            onSuccess: (saved) => {
              setBase(formOf(saved));
              setForm(formOf(saved));
            },
          });
        }}
      >
        <Stack gap="lg">
          <Paper withBorder p="lg">
            <Stack maw={620}>
              <TextInput
                label={words.settings.name}
                required
                value={form.name}
                onChange={(event) => set({ name: event.currentTarget.value })}
              />
              <Switch
                label={words.settings.isOn}
                description={words.settings.isOnSays}
                checked={form.isOn}
                onChange={(event) => set({ isOn: event.currentTarget.checked })}
              />
              <TagsField
                workspaceId={connection.workspace_id}
                tags={form.tags}
                onTags={(tags) => set({ tags })}
              />
            </Stack>
          </Paper>
          <Section title={words.times.title}>
            <Times
              schedule={form.schedule}
              onSchedule={(schedule) => set({ schedule })}
              connectionId={connection.id}
            />
            <NumberInput
              maw={320}
              label={words.settings.priority}
              description={words.settings.prioritySays}
              allowDecimal={false}
              value={form.priority}
              onChange={(value) => {
                if (typeof value === "number") set({ priority: value });
              }}
            />
          </Section>
          <Section title={words.streamTimes.title}>
            <StreamTimes
              schedules={form.streamSchedules}
              onSchedules={(streamSchedules) => set({ streamSchedules })}
              streams={choices}
              connectionId={connection.id}
            />
          </Section>
          <Section title={words.landing.title}>
            <Landing naming={form.naming} onNaming={(naming) => set({ naming })} names={names} />
          </Section>
          <Section title={words.settings.policy}>
            <Radio.Group
              aria-label={words.settings.policy}
              description={words.settings.policySays}
              value={form.policy}
              onChange={(policy) => set({ policy: policy })}
            >
              <Stack gap="xs" mt="sm">
                {Object.entries(words.settings.policies).map(([value, label]) => (
                  <Radio key={value} value={value} label={label} />
                ))}
              </Stack>
            </Radio.Group>
            <Switch
              label={words.settings.backfill}
              checked={form.isBackfill}
              onChange={(event) => set({ isBackfill: event.currentTarget.checked })}
            />
            <Switch
              label={words.settings.notify}
              checked={form.isNotified}
              onChange={(event) => set({ isNotified: event.currentTarget.checked })}
            />
          </Section>
          {change.isError && <ErrorNotice error={change.error} />}
          <Group aria-live="polite">
            <Button
              type="submit"
              disabled={!isTouched || !isNamed || !areComplete(form.streamSchedules)}
              loading={change.isPending}
            >
              {words.settings.save}
            </Button>
            {!isTouched && change.isSuccess && (
              <Text size="sm" c="dimmed">
                {words.settings.saved}
              </Text>
            )}
          </Group>
        </Stack>
      </form>
      <Removal connection={connection} />
    </Stack>
  );
}

function Section(props: { title: string; children: React.ReactNode }) {
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2} size="h4">
          {props.title}
        </Title>
        {props.children}
      </Stack>
    </Paper>
  );
}

function Removal({ connection }: PartProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isAsked, setIsAsked] = useState(false);
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/connections/{connection_id}", {
        params: { path: { connection_id: connection.id } },
      }),
    onSuccess: async () => {
      await navigate({ to: "/connections" });
      client.removeQueries({ queryKey: ["connection", connection.id] });
      await client.invalidateQueries({ queryKey: ["connections"] });
    },
  });
  return (
    <Section title={words.settings.removeTitle}>
      <Text size="sm">{words.settings.removeText}</Text>
      <div>
        <Button color="red" variant="outline" onClick={() => setIsAsked(true)}>
          {words.settings.remove}
        </Button>
      </div>
      {isAsked && (
        <Confirm
          title={words.settings.removeYes(connection.name)}
          yes={words.settings.removeYes(connection.name)}
          no={words.settings.back}
          isDangerous
          isPending={remove.isPending}
          error={remove.error}
          onYes={() => remove.mutate()}
          onNo={() => setIsAsked(false)}
        >
          <Text size="sm">{words.settings.removeText}</Text>
        </Confirm>
      )}
    </Section>
  );
}
