// Sources and destinations: their lists, the gallery to choose from, and the settings of one.

import {
  Alert,
  Badge,
  Button,
  Card,
  Group,
  Loader,
  Paper,
  SimpleGrid,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import {
  IconCheck,
  IconDatabaseExport,
  IconDatabaseImport,
  IconPlus,
  IconSearch,
} from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";

import { api, found } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { EmptyState, ErrorNotice, Waiting, problemOf } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { ago } from "../../parts/format";
import {
  answered,
  changed,
  made,
  one,
  removed,
  useConnectors,
  type Connector,
  type Kind,
} from "./calls";
import { ConnectorForm, type ConnectorFormHandle } from "./form/ConnectorForm";
import type { JsonObject } from "./form/json";
import { words } from "./words";

const PLACES = {
  source: { at: "/sources", icon: <IconDatabaseExport size={40} /> },
  destination: { at: "/destinations", icon: <IconDatabaseImport size={40} /> },
} as const;

export const SourceList = () => <List kind="source" />;
export const DestinationList = () => <List kind="destination" />;
export const SourceGallery = () => <Gallery kind="source" />;
export const DestinationGallery = () => <Gallery kind="destination" />;
export const NewSource = () => <New kind="source" />;
export const NewDestination = () => <New kind="destination" />;
export const EditSource = () => <Edit kind="source" />;
export const EditDestination = () => <Edit kind="destination" />;

function List({ kind }: { kind: Kind }) {
  const { at, icon } = PLACES[kind];
  const kindWords = words[kind];
  const query = useConnectors(kind);
  const add = (
    <Button component={Link} to={`${at}/new`} leftSection={<IconPlus size={16} />}>
      {kindWords.add}
    </Button>
  );
  return (
    <Page title={kindWords.title} actions={add}>
      {query.isPending && <Waiting />}
      {query.isError && <ErrorNotice error={query.error} again={() => void query.refetch()} />}
      {query.data?.length === 0 && (
        <EmptyState icon={icon} title={kindWords.none} text={kindWords.empty} action={add} />
      )}
      {query.data && query.data.length > 0 && (
        <Table.ScrollContainer minWidth={480}>
          <Table highlightOnHover verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{words.columns.name}</Table.Th>
                <Table.Th>{words.columns.type}</Table.Th>
                <Table.Th>{words.columns.connections}</Table.Th>
                <Table.Th>{words.columns.changed}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {query.data.map((each) => (
                <Table.Tr key={each.id}>
                  <Table.Td>
                    <Text component={Link} to={`${at}/${each.id}`} fw={600} c="teal">
                      {each.name}
                    </Text>
                  </Table.Td>
                  <Table.Td>{each.definition_title}</Table.Td>
                  <Table.Td>{each.connections}</Table.Td>
                  <Table.Td>{ago(each.updated_at)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Page>
  );
}

function Gallery({ kind }: { kind: Kind }) {
  const { at } = PLACES[kind];
  const kindWords = words[kind];
  const [search, setSearch] = useState("");
  const { workspaceId } = useSession();
  const query = useQuery({
    queryKey: ["definitions", kind, workspaceId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/definitions", {
          params: { query: { kind, workspace_id: workspaceId, limit: 500 } },
        }),
      ),
  });
  const wanted = search.trim().toLowerCase();
  const shown = (query.data?.items ?? []).filter((each) =>
    `${each.title} ${each.name}`.toLowerCase().includes(wanted),
  );
  return (
    <Page title={kindWords.add} crumbs={[{ to: at, label: kindWords.title }]}>
      <TextInput
        aria-label={words.search}
        placeholder={words.search}
        leftSection={<IconSearch size={16} />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        maw={420}
      />
      {query.isPending && <Waiting />}
      {query.isError && <ErrorNotice error={query.error} again={() => void query.refetch()} />}
      {query.data && shown.length === 0 && <Text c="dimmed">{words.noneFits}</Text>}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
        {shown.map((each) => (
          <Card key={each.id} component={Link} to={`${at}/new/${each.id}`} withBorder padding="md">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={600}>{each.title}</Text>
              <Badge variant="default" tt="none">
                {each.origin === "native" ? words.builtIn : each.origin}
              </Badge>
            </Group>
            <Text size="sm" c="dimmed">
              {each.name}
            </Text>
          </Card>
        ))}
      </SimpleGrid>
    </Page>
  );
}

function New({ kind }: { kind: Kind }) {
  const { definitionId = "" } = useParams({ strict: false });
  const definition = useQuery({
    queryKey: ["definition", definitionId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/definitions/{definition_id}", {
          params: { path: { definition_id: definitionId } },
        }),
      ),
  });
  if (definition.isPending) return <Waiting />;
  if (definition.isError) return <ErrorNotice error={definition.error} />;
  return (
    <Settings kind={kind} definitionId={definitionId} definitionTitle={definition.data.title} />
  );
}

function Edit({ kind }: { kind: Kind }) {
  const { connectorId = "" } = useParams({ strict: false });
  const query = useQuery({
    queryKey: [`${kind}s`, connectorId],
    queryFn: () => one(kind, connectorId),
  });
  if (query.isPending) return <Waiting />;
  if (query.isError) return <ErrorNotice error={query.error} />;
  return (
    <Settings
      key={connectorId}
      kind={kind}
      definitionId={query.data.definition_id}
      definitionTitle={query.data.definition_title}
      saved={query.data}
    />
  );
}

function Settings(props: {
  kind: Kind;
  definitionId: string;
  definitionTitle: string;
  saved?: Connector;
}) {
  const { kind, definitionId, definitionTitle, saved } = props;
  const { at } = PLACES[kind];
  const kindWords = words[kind];
  const { workspaceId } = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const form = useRef<ConnectorFormHandle>(null);
  const [name, setName] = useState(saved?.name ?? definitionTitle);
  const spec = useQuery({
    queryKey: ["spec", definitionId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/definitions/{definition_id}/spec", {
          params: { path: { definition_id: definitionId } },
        }),
      ),
    staleTime: Infinity,
  });
  const test = useMutation({
    mutationFn: async (config: JsonObject) => {
      const body = {
        config,
        workspace_id: workspaceId,
        definition_id: definitionId,
        ...(saved ? { connector_id: saved.id } : {}),
      };
      return answered(found(await api.POST("/api/v1/probes/check", { body })));
    },
  });
  const save = useMutation({
    mutationFn: (config: JsonObject) =>
      saved
        ? changed(kind, saved.id, { name, config })
        : made(kind, { workspace_id: workspaceId, definition_id: definitionId, name, config }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: [`${kind}s`] });
      await navigate({ to: at });
    },
    onError: (error) =>
      form.current?.show(
        new Map(problemOf(error).problems.map((each) => [each.path, each.message])),
      ),
  });
  const remove = useMutation({
    mutationFn: (id: string) => removed(kind, id),
    onSuccess: async () => {
      await navigate({ to: at });
      await client.invalidateQueries({ queryKey: [`${kind}s`] });
    },
  });
  const [isAsked, setIsAsked] = useState(false);
  const withConfig = (then: (config: JsonObject) => void) => {
    const config = form.current?.submit();
    if (config) then(config);
  };
  return (
    <Page
      title={saved?.name ?? words.newOf(kindWords.add, definitionTitle)}
      crumbs={[{ to: at, label: kindWords.title }]}
    >
      {spec.isPending && <Waiting text={words.asking} />}
      {spec.isError && <ErrorNotice error={spec.error} again={() => void spec.refetch()} />}
      {spec.data && (
        <Paper withBorder p="lg" maw={760}>
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              withConfig((config) => save.mutate(config));
            }}
          >
            <Stack>
              <TextInput
                label={words.name}
                description={kindWords.nameHint}
                required
                value={name}
                error={name.trim() === "" ? words.needed : undefined}
                onChange={(event) => setName(event.currentTarget.value)}
              />
              <Title order={2} size="h4">
                {words.settings}
              </Title>
              <ConnectorForm
                ref={form}
                schema={spec.data.connection_specification as JsonObject}
                {...(saved ? { saved: saved.config as JsonObject } : {})}
              />
              <div aria-live="polite">
                {test.isPending && (
                  <Group gap="xs">
                    <Loader size="xs" />
                    <Text size="sm">{words.connecting}</Text>
                  </Group>
                )}
                {test.isError && <ErrorNotice error={test.error} />}
                {test.data?.status === "succeeded" && (
                  <Alert color="green" icon={<IconCheck />} title={words.works} />
                )}
                {test.data?.failure && (
                  <Alert color="red" title={test.data.failure.message} role="alert">
                    {test.data.failure.remedy}
                  </Alert>
                )}
              </div>
              {save.isError && <ErrorNotice error={save.error} />}
              <Group justify="space-between">
                <Group>
                  <Button type="submit" loading={save.isPending} disabled={name.trim() === ""}>
                    {words.save}
                  </Button>
                  <Button
                    variant="default"
                    disabled={test.isPending}
                    onClick={() => withConfig((config) => test.mutate(config))}
                  >
                    {words.test}
                  </Button>
                </Group>
                {saved && (
                  <Button variant="subtle" color="red" onClick={() => setIsAsked(true)}>
                    {words.remove}
                  </Button>
                )}
              </Group>
            </Stack>
          </form>
        </Paper>
      )}
      {saved && isAsked && (
        <Confirm
          title={words.removeTitle(saved.name)}
          yes={words.remove}
          no={words.back}
          isDangerous
          isPending={remove.isPending}
          error={remove.error}
          onYes={() => remove.mutate(saved.id)}
          onNo={() => setIsAsked(false)}
        >
          <Text size="sm">{words.removeText}</Text>
        </Confirm>
      )}
    </Page>
  );
}
