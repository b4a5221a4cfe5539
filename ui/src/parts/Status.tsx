// What state a run, a stream or a connection is in: a word, a colour and a sign, never colour alone.

import { Badge } from "@mantine/core";
import {
  IconCheck,
  IconClock,
  IconLoader2,
  IconPlayerPause,
  IconPlayerSkipForward,
  IconQuestionMark,
  IconX,
} from "@tabler/icons-react";
import type { ReactNode } from "react";

import { words } from "./words";

const SHOWN: Record<string, [string, ReactNode]> = {
  succeeded: ["green", <IconCheck key="i" size={13} />],
  complete: ["green", <IconCheck key="i" size={13} />],
  healthy: ["green", <IconCheck key="i" size={13} />],
  running: ["blue", <IconLoader2 key="i" size={13} />],
  queued: ["gray", <IconClock key="i" size={13} />],
  waiting: ["yellow", <IconClock key="i" size={13} />],
  pending: ["gray", <IconClock key="i" size={13} />],
  skipped: ["gray", <IconPlayerSkipForward key="i" size={13} />],
  incomplete: ["orange", <IconX key="i" size={13} />],
  failed: ["red", <IconX key="i" size={13} />],
  cancelled: ["gray", <IconX key="i" size={13} />],
  inactive: ["gray", <IconPlayerPause key="i" size={13} />],
  never: ["gray", <IconClock key="i" size={13} />],
};
const LABELS: Record<string, string> = words.status;

export function Status({ value }: { value: string }) {
  const [color, icon] = SHOWN[value] ?? ["gray", <IconQuestionMark key="i" size={13} />];
  return (
    <Badge color={color} variant="light" leftSection={icon} tt="none" miw="max-content">
      {LABELS[value] ?? value}
    </Badge>
  );
}
