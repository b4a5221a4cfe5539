// Where each stream continues, as the source wrote it; looked at, edited, forgotten.

import {
  Alert,
  Badge,
  Button,
  Code,
  Group,
  Modal,
  Paper,
  Stack,
  Text,
  TextInput,
  Textarea,
  Title,
} from "@mantine/core";
import { IconBookmarkOff, IconSearch } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { parse, stringify } from "lossless-json";
import { useState } from "react";

import { api, found } from "../../api/client";
import { Confirm } from "../../parts/Confirm";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { ago } from "../../parts/format";
import { isActive } from "../runs/calls";
import { titleOf } from "./choices";
import type { PartProps } from "./ConnectionPage";
import { words } from "./words";

interface Kept {
  /** Empty for the global state. */
  name: string;
  namespace: string | null;
  /** Numbers in it are texts: a cursor of nineteen digits is not a JavaScript number. */
  state: unknown;
  is_override: boolean;
  updated_at: string;
}

const MOST_SHOWN = 200;
const nameOf = (kept: Kept) => (kept.name === "" ? words.state.global : titleOf(kept));
const textOf = (state: unknown) => stringify(state, undefined, 2) ?? "";

export default function StatePart({ connection }: PartProps) {
  const [search, setSearch] = useState("");
  const [edited, setEdited] = useState<Kept>();
  const [forgotten, setForgotten] = useState<Kept | "all">();
  const states = useQuery({
    queryKey: ["states", connection.id],
    queryFn: async () =>
      parse(
        found(
          await api.GET("/api/v1/connections/{connection_id}/states", {
            params: { path: { connection_id: connection.id } },
            parseAs: "text",
          }),
        ),
      ) as Kept[],
  });
  const isBusy = connection.last_run !== null && isActive(connection.last_run);
  if (states.isPending) return <Waiting />;
  if (states.isError)
    return <ErrorNotice error={states.error} again={() => void states.refetch()} />;
  if (states.data.length === 0)
    return (
      <EmptyState
        icon={<IconBookmarkOff size={40} />}
        title={words.state.none}
        text={words.state.noneText}
      />
    );
  const wanted = search.trim().toLowerCase();
  const shown = states.data.filter((each) => nameOf(each).toLowerCase().includes(wanted));
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={2} size="h4">
          {words.state.title}
        </Title>
        <Group gap="xs">
          <TextInput
            aria-label={words.state.search}
            placeholder={words.state.search}
            leftSection={<IconSearch size={16} />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <Button variant="default" disabled={isBusy} onClick={() => setForgotten("all")}>
            {words.state.anewAll}
          </Button>
        </Group>
      </Group>
      {isBusy && (
        <Alert color="blue" role="status">
          {words.state.busy}
        </Alert>
      )}
      {shown.slice(0, MOST_SHOWN).map((each) => (
        <Paper withBorder p="md" key={`${each.namespace ?? ""} ${each.name}`}>
          <Group justify="space-between" mb="xs">
            <Group gap="sm">
              <Text fw={600}>{nameOf(each)}</Text>
              <Text size="sm" c="dimmed">
                {words.state.changed(ago(each.updated_at))}
              </Text>
              {each.is_override && (
                <Badge color="yellow" variant="light" tt="none">
                  {words.state.byHand}
                </Badge>
              )}
            </Group>
            <Group gap="xs">
              <Button
                size="xs"
                variant="default"
                disabled={isBusy}
                aria-label={`${words.state.edit}: ${nameOf(each)}`}
                onClick={() => setEdited(each)}
              >
                {words.state.edit}
              </Button>
              {each.name !== "" && (
                <Button
                  size="xs"
                  variant="default"
                  disabled={isBusy}
                  aria-label={`${words.state.anew}: ${nameOf(each)}`}
                  onClick={() => setForgotten(each)}
                >
                  {words.state.anew}
                </Button>
              )}
            </Group>
          </Group>
          <Code
            block
            mah={260}
            style={{ overflow: "auto" }}
            tabIndex={0}
            aria-label={words.state.editOf(nameOf(each))}
            role="region"
          >
            {textOf(each.state)}
          </Code>
        </Paper>
      ))}
      {shown.length > MOST_SHOWN && (
        <Text c="dimmed">{words.landing.more(shown.length - MOST_SHOWN)}</Text>
      )}
      {edited && (
        <Editor connectionId={connection.id} kept={edited} onDone={() => setEdited(undefined)} />
      )}
      {forgotten && (
        <Forget
          connectionId={connection.id}
          kept={forgotten === "all" ? undefined : forgotten}
          onDone={() => setForgotten(undefined)}
        />
      )}
    </Stack>
  );
}

function Editor(props: { connectionId: string; kept: Kept; onDone: () => void }) {
  const { connectionId, kept, onDone } = props;
  const client = useQueryClient();
  const [text, setText] = useState(textOf(kept.state));
  const problem = problemIn(text);
  const save = useMutation({
    mutationFn: async () => {
      const descriptor = {
        name: kept.name,
        ...(kept.namespace === null ? {} : { namespace: kept.namespace }),
      };
      // As text, for the numbers in it; a global state is the whole message already.
      const state =
        kept.name === ""
          ? text
          : `{"type":"STREAM","stream":{"stream_descriptor":${JSON.stringify(descriptor)},` +
            `"stream_state":${text}}}`;
      await api.PUT("/api/v1/connections/{connection_id}/states", {
        params: { path: { connection_id: connectionId } },
        body: { states: [] },
        bodySerializer: () => `{"states":[${state}]}`,
        headers: { "content-type": "application/json" },
      });
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["states", connectionId] });
      onDone();
    },
  });
  return (
    <Modal
      opened
      onClose={onDone}
      size="lg"
      title={<Text fw={700}>{words.state.editOf(nameOf(kept))}</Text>}
      closeButtonProps={{ "aria-label": words.state.back }}
    >
      <Stack>
        <Text size="sm">{words.state.says}</Text>
        <Textarea
          aria-label={words.state.editOf(nameOf(kept))}
          autosize
          minRows={8}
          maxRows={24}
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
          error={problem}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {save.isError && <ErrorNotice error={save.error} />}
        <Group justify="end">
          <Button variant="default" onClick={onDone}>
            {words.state.back}
          </Button>
          <Button
            disabled={problem !== undefined}
            loading={save.isPending}
            onClick={() => save.mutate()}
          >
            {words.state.save}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function problemIn(text: string): string | undefined {
  try {
    const value = parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? undefined : words.state.notObject;
  } catch (error) {
    return words.state.notJson(error instanceof Error ? error.message : String(error));
  }
}

function Forget(props: { connectionId: string; kept: Kept | undefined; onDone: () => void }) {
  const { connectionId, kept, onDone } = props;
  const client = useQueryClient();
  const forget = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/connections/{connection_id}/states", {
        params: {
          path: { connection_id: connectionId },
          query: kept
            ? {
                stream: kept.name,
                ...(kept.namespace === null ? {} : { namespace: kept.namespace }),
              }
            : {},
        },
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["states", connectionId] });
      onDone();
    },
  });
  return (
    <Confirm
      title={kept ? `${words.state.anew}: ${nameOf(kept)}` : words.state.anewAll}
      yes={words.state.anew}
      no={words.state.back}
      isPending={forget.isPending}
      error={forget.error}
      onYes={() => forget.mutate()}
      onNo={onDone}
    >
      <Text size="sm">{words.state.anewText}</Text>
    </Confirm>
  );
}
