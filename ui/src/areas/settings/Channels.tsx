// Channels: who is told what happens in a workspace, with a trial and what was sent.

import {
  Alert,
  Button,
  Checkbox,
  Drawer,
  Group,
  NativeSelect,
  SimpleGrid,
  Stack,
  Switch,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconBell, IconCheck, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { EmptyState, ErrorNotice, Waiting, problemOf } from "../../parts/Notice";
import { ConnectorForm, type ConnectorFormHandle } from "../connectors/form/ConnectorForm";
import type { JsonObject } from "../connectors/form/json";
import { Deliveries } from "./Deliveries";
import { MayAdminister } from "./MayAdminister";
import { words as all } from "./words";

const words = all.notifications;
const EVERY = "*";
const FIRST_EVENTS = ["run.failed", "connection.disabled"];
type Channel = Schemas["ChannelShown"];
type Kinds = Schemas["ChannelKinds"];

export default function Channels() {
  const { workspaceId } = useSession();
  return (
    <MayAdminister workspaceId={workspaceId}>
      <List key={workspaceId} />
    </MayAdminister>
  );
}

function List() {
  const { session, workspaceId } = useSession();
  const kinds = useQuery({
    queryKey: ["channel-kinds"],
    queryFn: async () => found(await api.GET("/api/v1/channels/kinds")),
    staleTime: Infinity,
  });
  const channels = useQuery({
    queryKey: ["channels", workspaceId],
    queryFn: async () =>
      found(await api.GET("/api/v1/channels", { params: { query: { workspace_id: workspaceId } } }))
        .items,
  });
  const [open, setOpen] = useState<string>();
  const problem = kinds.error ?? channels.error;
  if (problem != null)
    return (
      <ErrorNotice
        error={problem}
        again={() => {
          void kinds.refetch();
          void channels.refetch();
        }}
      />
    );
  if (!kinds.data || !channels.data) return <Waiting />;
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setOpen("")}>
      {words.add}
    </Button>
  );
  const workspace = session.workspaces.find((each) => each.id === workspaceId)?.name ?? "";
  const shown = channels.data.find((each) => each.id === open);
  return (
    <Stack>
      {channels.data.length === 0 ? (
        <EmptyState
          icon={<IconBell size={40} />}
          title={words.none}
          text={words.noneText}
          action={add}
        />
      ) : (
        <>
          <Group justify="space-between" align="start">
            <Text c="dimmed">{words.about(workspace)}</Text>
            {add}
          </Group>
          <Rows channels={channels.data} kinds={kinds.data} open={setOpen} />
        </>
      )}
      {open !== undefined && (
        <Drawer
          opened
          onClose={() => setOpen(undefined)}
          position="right"
          size="lg"
          title={<Text fw={700}>{shown?.name ?? words.add}</Text>}
          closeButtonProps={{ "aria-label": all.close }}
        >
          <ChannelForm
            key={open}
            kinds={kinds.data}
            saved={shown}
            onSaved={(channel) => setOpen(channel.id)}
            onGone={() => setOpen(undefined)}
          />
        </Drawer>
      )}
    </Stack>
  );
}

function Rows(props: { channels: Channel[]; kinds: Kinds; open: (id: string) => void }) {
  const titles = new Map(props.kinds.kinds.map((each) => [each.kind, each.title]));
  return (
    <Table.ScrollContainer minWidth={520}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.columns.name}</Table.Th>
            <Table.Th>{words.columns.kind}</Table.Th>
            <Table.Th>{words.columns.told}</Table.Th>
            <Table.Th>{words.columns.isOn}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.channels.map((channel) => (
            <Table.Tr key={channel.id}>
              <Table.Td>
                <Button
                  variant="transparent"
                  size="compact-sm"
                  px={0}
                  onClick={() => props.open(channel.id)}
                >
                  {channel.name}
                </Button>
              </Table.Td>
              <Table.Td>{titles.get(channel.kind) ?? channel.kind}</Table.Td>
              <Table.Td>
                {channel.events.includes(EVERY) ? words.every : words.events(channel.events.length)}
              </Table.Td>
              <Table.Td>{channel.is_enabled ? words.on : words.off}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function ChannelForm(props: {
  kinds: Kinds;
  saved: Channel | undefined;
  onSaved: (channel: Channel) => void;
  onGone: () => void;
}) {
  const { kinds, saved } = props;
  const { workspaceId } = useSession();
  const client = useQueryClient();
  const form = useRef<ConnectorFormHandle>(null);
  const [kind, setKind] = useState<Channel["kind"]>(saved?.kind ?? "email");
  const [name, setName] = useState(saved?.name ?? "");
  const [events, setEvents] = useState<string[]>(saved?.events ?? FIRST_EVENTS);
  const [isOn, setOn] = useState(saved?.is_enabled ?? true);
  const [isRemoving, setRemoving] = useState(false);
  const spec = kinds.kinds.find((each) => each.kind === kind)?.spec;
  const test = useMutation({
    mutationFn: (id: string) =>
      api.POST("/api/v1/channels/{channel_id}/test", { params: { path: { channel_id: id } } }),
    onSettled: () => client.invalidateQueries({ queryKey: ["deliveries"] }),
  });
  const save = useMutation({
    mutationFn: async (config: JsonObject) => {
      const fields = { name: name.trim(), config, events, is_enabled: isOn };
      return found(
        saved
          ? await api.PATCH("/api/v1/channels/{channel_id}", {
              params: { path: { channel_id: saved.id } },
              body: fields,
            })
          : await api.POST("/api/v1/channels", {
              body: { ...fields, workspace_id: workspaceId, kind },
            }),
      );
    },
    onSuccess: async (channel) => {
      test.reset();
      await client.invalidateQueries({ queryKey: ["channels"] });
      props.onSaved(channel);
    },
    onError: (error) =>
      form.current?.show(
        new Map(problemOf(error).problems.map((each) => [each.path, each.message])),
      ),
  });
  const remove = useMutation({
    mutationFn: (id: string) =>
      api.DELETE("/api/v1/channels/{channel_id}", { params: { path: { channel_id: id } } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["channels"] });
      props.onGone();
    },
  });
  const canSave = name.trim() !== "" && events.length > 0;
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const config = form.current?.submit();
        if (config && canSave) save.mutate(config);
      }}
    >
      <Stack>
        {!saved && (
          <NativeSelect
            label={words.kind}
            data={kinds.kinds.map((each) => ({ value: each.kind, label: each.title }))}
            value={kind}
            onChange={(event) => setKind(event.currentTarget.value as Channel["kind"])}
          />
        )}
        <TextInput
          label={words.name}
          description={words.nameHint}
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        {spec && (
          <ConnectorForm
            key={kind}
            ref={form}
            schema={spec as JsonObject}
            {...(saved ? { saved: saved.config as JsonObject } : {})}
          />
        )}
        <EventChoice kinds={kinds.events} chosen={events} choose={setEvents} />
        <Switch
          label={words.isOn}
          checked={isOn}
          onChange={(event) => setOn(event.currentTarget.checked)}
        />
        <div aria-live="polite">
          {save.isError && <ErrorNotice error={save.error} />}
          {test.isError && <ErrorNotice error={test.error} />}
          {test.isSuccess && <Alert color="green" icon={<IconCheck />} title={words.tested} />}
        </div>
        <Group justify="space-between">
          <Group>
            <Button type="submit" loading={save.isPending} disabled={!canSave}>
              {words.save}
            </Button>
            {saved && (
              <Button
                variant="default"
                loading={test.isPending}
                title={words.testSaves}
                onClick={() => test.mutate(saved.id)}
              >
                {words.test}
              </Button>
            )}
          </Group>
          {saved && (
            <Button variant="subtle" color="red" onClick={() => setRemoving(true)}>
              {words.remove}
            </Button>
          )}
        </Group>
        {saved && (
          <>
            <Title order={2} size="h5">
              {words.sent}
            </Title>
            <Deliveries channelId={saved.id} />
          </>
        )}
        {saved && isRemoving && (
          <Confirm
            title={words.removeTitle(saved.name)}
            yes={words.remove}
            no={all.back}
            isDangerous
            isPending={remove.isPending}
            error={remove.error}
            onYes={() => remove.mutate(saved.id)}
            onNo={() => setRemoving(false)}
          >
            {words.removeText}
          </Confirm>
        )}
      </Stack>
    </form>
  );
}

function EventChoice(props: {
  kinds: Schemas["EventKind"][];
  chosen: string[];
  choose: (events: string[]) => void;
}) {
  const { kinds, chosen, choose } = props;
  const isEvery = chosen.includes(EVERY);
  return (
    <Checkbox.Group
      label={words.told}
      value={chosen}
      onChange={(value) =>
        choose(
          !isEvery && value.includes(EVERY)
            ? [EVERY]
            : value.filter((each) => each !== EVERY || isEvery),
        )
      }
      {...(chosen.length === 0 ? { error: words.needsEvents } : {})}
    >
      <Stack gap="xs" mt="xs">
        <Checkbox value={EVERY} label={words.every} />
        {!isEvery && (
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs" verticalSpacing="xs">
            {kinds.map((each) => (
              <Checkbox key={each.kind} value={each.kind} label={each.description} />
            ))}
          </SimpleGrid>
        )}
      </Stack>
    </Checkbox.Group>
  );
}
