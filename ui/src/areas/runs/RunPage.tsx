// One run: its figures while it goes on, the proof when it has ended, its streams and its log.

import { Alert, Button, Group, Tabs, Text } from "@mantine/core";
import { Link, useNavigate, useParams } from "@tanstack/react-router";

import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { ago } from "../../parts/format";
import { isActive, useCancel, useRun } from "./calls";
import { Figures } from "./Figures";
import { LogOf } from "./Log";
import { Receipt } from "./Receipt";
import { RunHooks } from "./RunHooks";
import { RunStreams } from "./RunStreams";
import { words } from "./words";

export function RunPage() {
  const { connectionId = "", runId = "", part = "figures" } = useParams({ strict: false });
  const id = Number(runId);
  const navigate = useNavigate();
  const isLog = part === "log";
  // Of a run whose log is shown the events of all tell when it ends.
  const run = useRun(id, !isLog);
  const cancel = useCancel(id);
  if (run.isPending) return <Waiting />;
  if (run.isError) return <ErrorNotice error={run.error} again={() => void run.refetch()} />;
  const shown = run.data;
  const goesOn = isActive(shown);
  const here = `/connections/${connectionId}/runs/${runId}`;
  const hasEnded = shown.status === "succeeded" || shown.status === "failed";
  const hasReceipt = hasEnded && shown.attempts.at(-1)?.ended_at != null;
  return (
    <Page
      title={words.title(shown.id)}
      crumbs={[
        { to: "/connections", label: words.connections },
        { to: `/connections/${shown.connection_id}`, label: shown.connection_name },
      ]}
      actions={
        goesOn && (
          <Button
            variant="default"
            disabled={shown.is_cancelling || cancel.isPending}
            onClick={() => cancel.mutate()}
          >
            {shown.is_cancelling ? words.cancelling : words.cancel}
          </Button>
        )
      }
    >
      <Group gap="sm">
        <Status value={shown.status} />
        <Text size="sm" c="dimmed">
          {words.kinds[shown.kind] ?? shown.kind},{" "}
          {words.askedBy(
            words.triggers[shown.trigger] ?? shown.trigger,
            shown.requested_by,
            ago(shown.created_at),
          )}
        </Text>
      </Group>
      {cancel.isError && <ErrorNotice error={cancel.error} />}
      {shown.next_attempt_at !== null && (
        <Alert color="yellow" role="status">
          {words.nextAttempt(ago(shown.next_attempt_at))}
        </Alert>
      )}
      {shown.failure && (
        <Alert color="red" title={shown.failure.message} role="alert">
          {shown.failure.remedy}
        </Alert>
      )}
      <Tabs
        value={isLog ? "log" : "figures"}
        onChange={(to) => void navigate({ to: to === "log" ? `${here}/log` : here })}
      >
        <Tabs.List aria-label={words.title(shown.id)}>
          <Tabs.Tab value="figures">{words.tabs.figures}</Tabs.Tab>
          <Tabs.Tab value="log">{words.tabs.log}</Tabs.Tab>
        </Tabs.List>
      </Tabs>
      {isLog ? (
        <LogOf run={shown} />
      ) : (
        <>
          {shown.status === "succeeded" && <Receipt runId={id} />}
          <Figures run={shown} />
          {shown.hooks.length > 0 && <RunHooks hooks={shown.hooks} />}
          <RunStreams run={shown} />
          {shown.status === "failed" && hasReceipt && <Receipt runId={id} />}
        </>
      )}
      {!isLog && shown.status === "failed" && (
        <div>
          <Button component={Link} to={`${here}/log`} variant="default">
            {words.tabs.log}
          </Button>
        </div>
      )}
    </Page>
  );
}
