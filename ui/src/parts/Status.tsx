// What state a run, a stream or a connection is in: a word, a colour and a sign, never colour alone.

import { Badge } from "@mantine/core";
import {
  IconCheck,
  IconClock,
  IconLoader2,
  IconPlayerPause,
  IconQuestionMark,
  IconX,
} from "@tabler/icons-react";
import type { ReactNode } from "react";

const SHOWN: Record<string, [string, string, ReactNode]> = {
  succeeded: ["Succeeded", "green", <IconCheck key="i" size={13} />],
  complete: ["Complete", "green", <IconCheck key="i" size={13} />],
  healthy: ["Healthy", "green", <IconCheck key="i" size={13} />],
  running: ["Running", "blue", <IconLoader2 key="i" size={13} />],
  queued: ["Queued", "gray", <IconClock key="i" size={13} />],
  waiting: ["Waiting", "yellow", <IconClock key="i" size={13} />],
  incomplete: ["Incomplete", "orange", <IconX key="i" size={13} />],
  failed: ["Failed", "red", <IconX key="i" size={13} />],
  cancelled: ["Cancelled", "gray", <IconX key="i" size={13} />],
  inactive: ["Paused", "gray", <IconPlayerPause key="i" size={13} />],
  never: ["Not synced yet", "gray", <IconClock key="i" size={13} />],
};

export function Status({ value }: { value: string }) {
  const [label, color, icon] = SHOWN[value] ?? [
    value,
    "gray",
    <IconQuestionMark key="i" size={13} />,
  ];
  return (
    <Badge color={color} variant="light" leftSection={icon} tt="none">
      {label}
    </Badge>
  );
}
