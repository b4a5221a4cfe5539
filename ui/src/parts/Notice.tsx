// Problems in words, with what to do next; and pages that are still empty.

import { Alert, Button, Center, Loader, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";

import { words } from "./words";

/** What the server says of a request that failed (RFC 9457, with penstock's own names). */
export interface Problem {
  status: number;
  code: string;
  detail: string;
  remedy: string;
  problems: { path: string; message: string }[];
}

export class RequestFailed extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof RequestFailed) return error.problem;
  return {
    status: 0,
    code: "unreachable",
    detail: words.unreachable,
    remedy: words.unreachableRemedy,
    problems: [],
  };
}

export function ErrorNotice({ error, again }: { error: unknown; again?: () => void }) {
  const problem = problemOf(error);
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title={problem.detail} role="alert">
      <Stack gap="xs" align="start">
        {problem.remedy && <Text size="sm">{problem.remedy}</Text>}
        {problem.problems.map((each) => (
          <Text size="sm" key={each.path + each.message}>
            {each.path} {each.message}
          </Text>
        ))}
        {again && (
          <Button size="xs" variant="default" onClick={again}>
            {words.again}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Says that a page itself has failed: its code, or that it could not be loaded. */
export function PageFailed({ error }: { error: unknown }) {
  if (error instanceof RequestFailed) return <ErrorNotice error={error} />;
  return (
    <Alert
      color="red"
      icon={<IconAlertTriangle />}
      title={words.broken(error instanceof Error ? error.message : String(error))}
      role="alert"
    >
      <Stack gap="xs" align="start">
        <Text size="sm">{words.brokenRemedy}</Text>
        <Button size="xs" variant="default" onClick={() => window.location.reload()}>
          {words.again}
        </Button>
      </Stack>
    </Alert>
  );
}

export function EmptyState(props: {
  icon: ReactNode;
  title: string;
  text: string;
  action?: ReactNode;
}) {
  return (
    <Center mih={320}>
      <Stack align="center" maw={440} ta="center">
        {props.icon}
        <Title order={2} size="h3">
          {props.title}
        </Title>
        <Text c="dimmed">{props.text}</Text>
        {props.action}
      </Stack>
    </Center>
  );
}

export function Waiting({ text }: { text?: string }) {
  return (
    <Center mih={200}>
      <Stack align="center" gap="xs">
        <Loader aria-label={text ?? words.loading} />
        {text && <Text c="dimmed">{text}</Text>}
      </Stack>
    </Center>
  );
}
