// The frame around all that there is about one connection: its name, what can be done, its parts.

import { ActionIcon, Alert, Badge, Button, Group, Menu, Tabs, Text } from "@mantine/core";
import { IconDotsVertical } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Suspense, lazy, useState, type ComponentType } from "react";

import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { ago } from "../../parts/format";
import { isActive, useCancel } from "../runs/calls";
import { Act, type ActKind } from "./Act";
import { useChange, useConnection, useStart, type Connection } from "./calls";
import { words } from "./words";

/** What each part is given. */
export interface PartProps {
  connection: Connection;
}

const PARTS: Record<keyof typeof words.page.tabs, ComponentType<PartProps>> = {
  status: lazy(() => import("./StatusPart")),
  timeline: lazy(() => import("./TimelinePart")),
  schema: lazy(() => import("./SchemaPart")),
  mappings: lazy(() => import("./MappingsPart")),
  hooks: lazy(() => import("./HooksPart")),
  state: lazy(() => import("./StatePart")),
  settings: lazy(() => import("./SettingsPart")),
};

export function ConnectionPage() {
  const { connectionId = "", part = "status" } = useParams({ strict: false });
  const connection = useConnection(connectionId);
  if (connection.isPending) return <Waiting />;
  if (connection.isError)
    return <ErrorNotice error={connection.error} again={() => void connection.refetch()} />;
  return <Parts key={connectionId} connection={connection.data} part={part} />;
}

function Parts({ connection, part }: PartProps & { part: string }) {
  const navigate = useNavigate();
  const start = useStart(connection.id);
  const change = useChange(connection.id);
  const run = connection.last_run;
  const active = run !== null && isActive(run) ? run : undefined;
  const cancel = useCancel(run?.id ?? 0);
  const [act, setAct] = useState<ActKind>();
  const here = `/connections/${connection.id}`;
  const Part = Object.hasOwn(PARTS, part) ? PARTS[part as keyof typeof PARTS] : undefined;
  return (
    <Page
      title={connection.name}
      crumbs={[{ to: "/connections", label: words.connections }]}
      actions={
        <>
          <Button component={Link} to={`/data/${connection.id}`} variant="default">
            {words.page.data}
          </Button>
          {active ? (
            <Button
              variant="default"
              disabled={active.is_cancelling || cancel.isPending}
              onClick={() => cancel.mutate()}
            >
              {active.is_cancelling ? words.page.cancelling : words.page.cancel}
            </Button>
          ) : (
            <Button
              loading={start.isPending}
              disabled={connection.has_breaking_change}
              onClick={() => start.mutate({ kind: "sync" })}
            >
              {words.page.sync}
            </Button>
          )}
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="default" size={36} aria-label={words.page.more}>
                <IconDotsVertical size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item disabled={active !== undefined} onClick={() => setAct("refresh")}>
                {words.page.refresh}
              </Menu.Item>
              <Menu.Item
                color="red"
                disabled={active !== undefined}
                onClick={() => setAct("clear")}
              >
                {words.page.clear}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      }
    >
      {start.isError && <ErrorNotice error={start.error} />}
      {cancel.isError && <ErrorNotice error={cancel.error} />}
      {change.isError && <ErrorNotice error={change.error} />}
      <Group gap="sm">
        <Text size="sm">
          <Text component={Link} to={`/sources/${connection.source_id}`} c="teal" inherit>
            {connection.source_name}
          </Text>
          {" → "}
          <Text component={Link} to={`/destinations/${connection.destination_id}`} c="teal" inherit>
            {connection.destination_name}
          </Text>
        </Text>
        <Text size="sm" c="dimmed">
          {connection.next_run_at
            ? words.page.nextRun(ago(connection.next_run_at))
            : words.page.byHand}
        </Text>
        {connection.has_breaking_change && (
          <Badge color="red" variant="light" tt="none">
            {words.list.breaking}
          </Badge>
        )}
      </Group>
      {connection.has_breaking_change && part !== "schema" && (
        <Alert color="red" title={words.page.breaking} role="alert">
          <Button component={Link} to={`${here}/schema`} size="xs" variant="default">
            {words.page.seeSchema}
          </Button>
        </Alert>
      )}
      {connection.status === "inactive" && (
        <Alert color="yellow" title={words.page.off} role="status">
          <Group>
            {connection.status_reason !== null && <Text size="sm">{connection.status_reason}</Text>}
            <Button
              size="xs"
              variant="default"
              loading={change.isPending}
              onClick={() => change.mutate({ status: "active" })}
            >
              {words.page.switchOn}
            </Button>
          </Group>
        </Alert>
      )}
      <Tabs
        value={part}
        onChange={(to) => void navigate({ to: to === "status" ? here : `${here}/${to ?? ""}` })}
      >
        <Tabs.List aria-label={words.page.tabList}>
          {Object.entries(words.page.tabs).map(([value, label]) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {Part ? (
          <Tabs.Panel value={part} pt="lg">
            <Suspense fallback={<Waiting />}>
              <Part connection={connection} />
            </Suspense>
          </Tabs.Panel>
        ) : (
          <EmptyState icon={null} title={words.page.noPart} text={words.page.noPartText} />
        )}
      </Tabs>
      {act && <Act kind={act} connection={connection} onDone={() => setAct(undefined)} />}
    </Page>
  );
}
