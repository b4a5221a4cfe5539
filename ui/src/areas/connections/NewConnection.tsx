// A new connection: both ends, the streams and how each moves, the tables' names, the times.

import { Button, Group, Paper, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";

import { api, found } from "../../api/client";
import { useSession } from "../../api/session";
import { useAddress } from "../../parts/address";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { useConnectors, type Connector } from "../connectors/calls";
import { useCatalog, useDiscovery, type Catalog, type Schedule } from "./calls";
import { freshDraft, lackOf, takenChoices, type Draft } from "./choices";
import { Landing } from "./Landing";
import { useNames } from "./names";
import { PLAIN, asFields, type Naming } from "./naming";
import { StreamTable } from "./StreamTable";
import { BY_HAND, Times } from "./Times";
import { words } from "./words";

export function NewConnection() {
  const sources = useConnectors("source");
  const destinations = useConnectors("destination");
  // In the address, so that a source's page can lead here and a reload keeps the choice.
  const [sourceId, setSourceId] = useAddress("source");
  const [destinationId, setDestinationId] = useAddress("destination");
  const catalog = useCatalog(sourceId ?? null);
  if (sources.isPending || destinations.isPending) return <Waiting />;
  if (sources.isError) return <ErrorNotice error={sources.error} />;
  if (destinations.isError) return <ErrorNotice error={destinations.error} />;
  const source = sources.data.find((each) => each.id === sourceId);
  const destination = destinations.data.find((each) => each.id === destinationId);
  return (
    <Page title={words.newConnection} crumbs={[{ to: "/connections", label: words.connections }]}>
      <Group grow align="start" maw={760}>
        <End
          label={words.create.source}
          hint={words.create.sourceHint}
          none={words.create.noSource}
          add={{ to: "/sources/new", label: words.create.addSource }}
          connectors={sources.data}
          value={source?.id ?? null}
          onChange={setSourceId}
        />
        <End
          label={words.create.destination}
          hint={words.create.destinationHint}
          none={words.create.noDestination}
          add={{ to: "/destinations/new", label: words.create.addDestination }}
          connectors={destinations.data}
          value={destination?.id ?? null}
          onChange={setDestinationId}
        />
      </Group>
      {source && catalog.isFetching && !catalog.data && <Discovering key={source.id} />}
      {catalog.isError && (
        <ErrorNotice error={catalog.error} again={() => void catalog.refetch()} />
      )}
      {source && catalog.data && (
        <Plan
          key={`${source.id} ${catalog.data.id}`}
          source={source}
          destination={destination}
          catalog={catalog.data}
        />
      )}
      {(!source || !destination) && (
        <Text size="sm" c="dimmed">
          {words.create.missing}
        </Text>
      )}
    </Page>
  );
}

function End(props: {
  label: string;
  hint: string;
  none: string;
  add: { to: string; label: string };
  connectors: Connector[];
  value: string | null;
  onChange: (id: string | undefined) => void;
}) {
  const { label, hint, none, add, connectors, value, onChange } = props;
  if (connectors.length === 0)
    return (
      <Stack gap={4} align="start">
        <Text fw={500} size="sm">
          {label}
        </Text>
        <Text size="sm">{none}</Text>
        <Button component={Link} to={add.to} size="xs">
          {add.label}
        </Button>
      </Stack>
    );
  return (
    <Select
      label={label}
      placeholder={hint}
      searchable
      data={connectors.map((each) => ({ value: each.id, label: each.name }))}
      value={value}
      onChange={(id) => onChange(id ?? undefined)}
    />
  );
}

/** Discovery of a large source takes minutes: that it goes on is shown by the seconds. */
function Discovering() {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return <Waiting text={words.create.discovering(seconds)} />;
}

function Plan(props: { source: Connector; destination: Connector | undefined; catalog: Catalog }) {
  const { source, destination, catalog } = props;
  const { workspaceId } = useSession();
  const navigate = useNavigate();
  const discovery = useDiscovery(source.id);
  const fresh = useMemo(() => freshDraft(catalog.streams), [catalog]);
  const [draft, setDraft] = useState<Draft>(fresh);
  const [naming, setNaming] = useState<Naming>(PLAIN);
  const [schedule, setSchedule] = useState<Schedule>(BY_HAND);
  const [name, setName] = useState<string>();
  const [open, setOpen] = useState<string>();
  const chosen = useMemo(() => takenChoices(draft), [draft]);
  const names = useNames({
    sourceId: source.id,
    destinationId: destination?.id,
    choices: chosen,
    naming,
  });
  const isWhole = useMemo(
    () => chosen.length > 0 && [...draft.values()].every((entry) => lackOf(entry) === undefined),
    [draft, chosen],
  );
  const suggested = destination ? `${source.name} → ${destination.name}` : "";
  const create = useMutation({
    mutationFn: async (runsNow: boolean) =>
      found(
        await api.POST("/api/v1/connections", {
          body: {
            workspace_id: workspaceId,
            name: name?.trim() || suggested,
            source_id: source.id,
            destination_id: destination?.id ?? "",
            catalog_id: catalog.id,
            schedule,
            streams: chosen,
            runs_now: runsNow,
            ...asFields(naming, {}),
          },
        }),
      ),
    onSuccess: (connection) => navigate({ to: `/connections/${connection.id}` }),
  });
  const isReady =
    destination !== undefined && isWhole && (names.data?.collisions.length ?? 0) === 0;
  return (
    <>
      <Paper withBorder p="md">
        <StreamTable
          sourceId={source.id}
          draft={draft}
          onDraft={setDraft}
          saved={fresh}
          tables={names.byKey}
          open={open}
          onOpen={setOpen}
        />
        <Group mt="sm">
          <Button
            size="xs"
            variant="default"
            loading={discovery.isPending}
            onClick={() => discovery.mutate()}
          >
            {words.create.again}
          </Button>
        </Group>
        {discovery.isError && <ErrorNotice error={discovery.error} />}
      </Paper>
      <Paper withBorder p="lg">
        <Title order={2} size="h4" mb="md">
          {words.landing.title}
        </Title>
        <Landing naming={naming} onNaming={setNaming} names={names} />
      </Paper>
      <Paper withBorder p="lg">
        <Title order={2} size="h4" mb="md">
          {words.times.title}
        </Title>
        <Times schedule={schedule} onSchedule={setSchedule} />
      </Paper>
      <TextInput
        maw={420}
        label={words.create.name}
        description={words.create.nameHint}
        placeholder={suggested}
        value={name ?? suggested}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      {create.isError && <ErrorNotice error={create.error} />}
      <Group>
        <Button
          disabled={!isReady || create.isPending}
          loading={create.isPending && create.variables}
          onClick={() => create.mutate(true)}
        >
          {words.create.submit}
        </Button>
        <Button
          variant="default"
          disabled={!isReady || create.isPending}
          onClick={() => create.mutate(false)}
        >
          {words.create.submitOnly}
        </Button>
      </Group>
    </>
  );
}
