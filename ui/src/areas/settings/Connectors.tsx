// Connectors of one's own: a Python package, an image, a manifest or a program, beside the built-in.

import {
  Anchor,
  Button,
  Group,
  Modal,
  SegmentedControl,
  Stack,
  Table,
  Text,
  TextInput,
  Textarea,
} from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { isName, nameOf } from "../connectors/naming";
import { MayAdminister } from "./MayAdminister";
import { words as all } from "./words";

const words = all.connectors;
type Definition = Schemas["DefinitionShown"];
type Kind = Definition["kind"];
type Way = keyof typeof words.ways;

export default function Connectors() {
  const { workspaceId } = useSession();
  return (
    <MayAdminister workspaceId={workspaceId}>
      <List />
    </MayAdminister>
  );
}

async function ownDefinitions(workspaceId: string): Promise<Definition[]> {
  const own: Definition[] = [];
  let after: string | undefined;
  do {
    const page = found(
      await api.GET("/api/v1/definitions", {
        params: {
          query: {
            limit: 500,
            workspace_id: workspaceId,
            ...(after === undefined ? {} : { after }),
          },
        },
      }),
    );
    own.push(...page.items.filter((each) => each.is_custom));
    after = page.next ?? undefined;
  } while (after !== undefined);
  return own;
}

function List() {
  const { workspaceId } = useSession();
  const own = useQuery({
    queryKey: ["definitions", "own", workspaceId],
    queryFn: () => ownDefinitions(workspaceId),
  });
  const [isAdding, setAdding] = useState(false);
  const [removed, remove] = useState<Definition>();
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Text c="dimmed">{words.about}</Text>
        <Group>
          <Button component={Link} to="/manifest" variant="default">
            {words.editor}
          </Button>
          <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
            {words.add}
          </Button>
        </Group>
      </Group>
      {own.isPending && <Waiting />}
      {own.isError && <ErrorNotice error={own.error} again={() => void own.refetch()} />}
      {own.data?.length === 0 && <Text>{words.none}</Text>}
      {own.data && own.data.length > 0 && <Rows definitions={own.data} remove={remove} />}
      {isAdding && <Add onDone={() => setAdding(false)} />}
      {removed && <Remove definition={removed} onDone={() => remove(undefined)} />}
    </Stack>
  );
}

function Rows(props: { definitions: Definition[]; remove: (definition: Definition) => void }) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.columns.title}</Table.Th>
            <Table.Th>{words.columns.kind}</Table.Th>
            <Table.Th>{words.columns.origin}</Table.Th>
            <Table.Th>{words.columns.act}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.definitions.map((each) => (
            <Table.Tr key={each.id}>
              <Table.Td>
                <Anchor
                  component={Link}
                  to={`/${each.kind}s/new/${each.id}`}
                  size="sm"
                  fw={600}
                  underline="never"
                >
                  {each.title}
                </Anchor>
                <Text size="sm" c="dimmed">
                  {each.name}
                </Text>
              </Table.Td>
              <Table.Td>{words.kinds[each.kind]}</Table.Td>
              <Table.Td>{words.origins[each.origin] ?? each.origin}</Table.Td>
              <Table.Td>
                <Button
                  size="compact-sm"
                  variant="subtle"
                  color="red"
                  aria-label={words.removeOne(each.title)}
                  onClick={() => props.remove(each)}
                >
                  {words.remove}
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Add({ onDone }: { onDone: () => void }) {
  const { session, workspaceId } = useSession();
  const client = useQueryClient();
  const [kind, setKind] = useState<Kind>("source");
  const [way, setWay] = useState<Way>("pip_url");
  const [title, setTitle] = useState("");
  const [name, setName] = useState<string>();
  const [origin, setOrigin] = useState("");
  const suggested = name ?? nameOf(title);
  const isNamed = isName(suggested);
  // A destination is made of no manifest; a program runs on the server, so not everybody adds one.
  const ways = (Object.keys(words.ways) as Way[]).filter(
    (each) =>
      (each !== "manifest" || kind === "source") && (each !== "executable" || session.is_admin),
  );
  const chosen = ways.includes(way) ? way : "pip_url";
  const add = useMutation({
    mutationFn: () =>
      api.POST("/api/v1/definitions", {
        body: {
          kind,
          title: title.trim(),
          name: suggested,
          // Who administers everything adds for everybody.
          workspace_id: session.is_admin ? null : workspaceId,
          [chosen]: origin.trim(),
        },
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["definitions"] });
      onDone();
    },
  });
  return (
    <Modal
      opened
      onClose={onDone}
      size="lg"
      title={<Text fw={700}>{words.add}</Text>}
      closeButtonProps={{ "aria-label": all.close }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <Stack>
          <Choice label={words.kind} value={kind} options={words.kinds} choose={setKind} />
          <Choice
            label={words.way}
            value={chosen}
            options={Object.fromEntries(ways.map((each) => [each, words.ways[each]])) as never}
            choose={setWay}
          />
          <TextInput
            label={words.title}
            required
            data-autofocus
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
          />
          <TextInput
            label={words.name}
            description={words.nameHint}
            required
            value={suggested}
            error={suggested !== "" && !isNamed ? words.badName : undefined}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {chosen === "manifest" ? (
            <Textarea
              label={words.ways.manifest}
              description={words.hints.manifest}
              required
              autosize
              minRows={6}
              maxRows={14}
              spellCheck={false}
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
              value={origin}
              onChange={(event) => setOrigin(event.currentTarget.value)}
            />
          ) : (
            <TextInput
              label={words.ways[chosen]}
              description={words.hints[chosen]}
              required
              value={origin}
              onChange={(event) => setOrigin(event.currentTarget.value)}
            />
          )}
          {add.isError && <ErrorNotice error={add.error} />}
          <Group justify="end">
            <Button variant="default" onClick={onDone}>
              {all.back}
            </Button>
            <Button
              type="submit"
              loading={add.isPending}
              disabled={title.trim() === "" || !isNamed || origin.trim() === ""}
            >
              {words.make}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Choice<V extends string>(props: {
  label: string;
  value: V;
  options: Record<V, string>;
  choose: (value: V) => void;
}) {
  return (
    <div>
      <Text size="sm" fw={500} mb={4}>
        {props.label}
      </Text>
      <SegmentedControl
        fullWidth
        aria-label={props.label}
        data={Object.entries<string>(props.options).map(([value, label]) => ({ value, label }))}
        value={props.value}
        onChange={(value) => props.choose(value as V)}
      />
    </div>
  );
}

function Remove({ definition, onDone }: { definition: Definition; onDone: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/definitions/{definition_id}", {
        params: { path: { definition_id: definition.id } },
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["definitions"] });
      onDone();
    },
  });
  return (
    <Confirm
      title={words.removeTitle(definition.title)}
      yes={words.remove}
      no={all.back}
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onYes={() => remove.mutate()}
      onNo={onDone}
    >
      {words.removeText}
    </Confirm>
  );
}
