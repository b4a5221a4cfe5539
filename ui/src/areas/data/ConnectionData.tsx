// The tables of a connection in its destination: how many rows, how new, and the first of them.

import { Alert, Button, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconRefresh, IconSearch } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";

import type { Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { useAddress } from "../../parts/address";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { useConnection, type Connection } from "../connections/calls";
import { Answer } from "./Answer";
import { Question } from "./Question";
import { TableList, keyOf, type Name } from "./TableList";
import { MOST_COUNTED, useFacts, useNames, useRows, useTables } from "./calls";
import { someRows } from "./question";
import { words } from "./words";

export function ConnectionData() {
  const { connectionId = "" } = useParams({ strict: false });
  const connection = useConnection(connectionId);
  if (connection.isPending) return <Waiting />;
  if (connection.isError)
    return <ErrorNotice error={connection.error} again={() => void connection.refetch()} />;
  return <Data key={connectionId} connection={connection.data} />;
}

function Data({ connection }: { connection: Connection }) {
  const names = useNames(connection);
  const facts = useFacts(connection.destination_id);
  const problem = names.error ?? facts.error;
  return (
    <Page
      title={connection.name}
      crumbs={[{ to: "/data", label: words.title }]}
      actions={
        <Button component={Link} to={`/connections/${connection.id}`} variant="default">
          {words.columns.connection}
        </Button>
      }
    >
      {problem != null && (
        <ErrorNotice
          error={problem}
          again={() => {
            void names.refetch();
            void facts.refetch();
          }}
        />
      )}
      {problem == null && !(names.data && facts.data) && <Waiting text={words.tables.looking} />}
      {names.data && facts.data && (
        <Tables connection={connection} names={names.data} facts={facts.data} />
      )}
    </Page>
  );
}

function Tables(props: { connection: Connection; names: Name[]; facts: Schemas["FactsShown"] }) {
  const { connection, names, facts } = props;
  const client = useQueryClient();
  const { session } = useSession();
  const role = session.workspaces.find((each) => each.id === connection.workspace_id)?.role;
  const maySeeRows = role === "editor" || role === "admin";
  const [search, setSearch] = useState("");
  const [chosen, choose] = useAddress("table");
  const wanted = search.trim().toLowerCase();
  const shown = names.filter((name) =>
    `${name.stream} ${name.schema_name ?? ""}.${name.table}`.toLowerCase().includes(wanted),
  );
  const open = names.find((name) => keyOf(name) === chosen) ?? shown[0];
  const isFew = names.length <= MOST_COUNTED;
  const all = useTables(connection.id, undefined, facts.reads_back && isFew);
  const one = useTables(
    connection.id,
    open && { name: open.stream, namespace: open.namespace },
    facts.reads_back && !isFew && open !== undefined,
  );
  const counted = isFew ? all : one;
  const known = new Map(counted.data?.map((table) => [keyOf(table), table]));
  const again = () => {
    for (const key of ["tables", "rows"])
      void client.invalidateQueries({ queryKey: [key, connection.id] });
  };
  return (
    <Stack gap="lg">
      {!facts.reads_back && <Alert color="yellow" title={words.tables.hidden} />}
      <Stack gap="xs">
        <Group justify="space-between">
          <Title order={2} size="h4">
            {words.tables.title}
          </Title>
          {facts.reads_back && (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconRefresh size={14} />}
              loading={counted.isFetching}
              onClick={again}
            >
              {words.tables.again}
            </Button>
          )}
        </Group>
        {names.length > 8 && (
          <Group>
            <TextInput
              aria-label={words.tables.search}
              placeholder={words.tables.search}
              leftSection={<IconSearch size={16} />}
              value={search}
              onChange={(event) => setSearch(event.currentTarget.value)}
            />
            <Text size="sm" c="dimmed" role="status">
              {words.tables.shown(shown.length, names.length)}
            </Text>
          </Group>
        )}
        {facts.reads_back && !isFew && <Text size="sm">{words.tables.onlyChosen}</Text>}
        {counted.isError && <ErrorNotice error={counted.error} again={again} />}
        {names.length === 0 && <Text c="dimmed">{words.tables.empty}</Text>}
        {names.length > 0 && shown.length === 0 && <Text c="dimmed">{words.tables.none}</Text>}
        {shown.length > 0 && (
          <TableList
            names={shown}
            known={known}
            isWaiting={counted.isFetching}
            open={open}
            choose={facts.reads_back ? (name) => choose(keyOf(name)) : undefined}
          />
        )}
      </Stack>
      {facts.reads_back && !maySeeRows && <Text c="dimmed">{words.rows.mayNot}</Text>}
      {facts.reads_back && maySeeRows && open && known.get(keyOf(open))?.exists !== false && (
        <Rows connection={connection} name={open} failure={known.get(keyOf(open))?.failure} />
      )}
      {facts.confines_sql && maySeeRows && open && (
        <Stack gap="xs">
          <Title order={2} size="h4">
            {words.sql.title(connection.destination_name)}
          </Title>
          <Question
            key={keyOf(open)}
            destinationId={connection.destination_id}
            first={someRows(open.schema_name, open.table)}
          />
        </Stack>
      )}
    </Stack>
  );
}

function Rows(props: {
  connection: Connection;
  name: Name;
  failure: Schemas["FailureShown"] | null | undefined;
}) {
  const { connection, name, failure } = props;
  const stream = { name: name.stream, namespace: name.namespace };
  const rows = useRows(connection.id, stream, failure == null);
  const title = words.rows.title(name.table);
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        {title}
      </Title>
      {failure && (
        <Alert color="red" title={failure.message} role="alert">
          {failure.remedy}
        </Alert>
      )}
      {rows.isPending && !failure && <Waiting text={words.rows.reading} />}
      {rows.isError && <ErrorNotice error={rows.error} again={() => void rows.refetch()} />}
      {rows.data && (
        <Answer rows={rows.data} label={title} name={name.table} none={words.rows.none} />
      )}
    </Stack>
  );
}
