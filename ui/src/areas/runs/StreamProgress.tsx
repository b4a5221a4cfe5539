// How far a stream of a run is: a part of what is estimated, else only that it moves.

import { Progress } from "@mantine/core";

import type { StreamFigures } from "./calls";
import { words } from "./words";

export function StreamProgress({ figures }: { figures: StreamFigures }) {
  const isDone = figures.status === "complete";
  const estimated = figures.estimated_rows ?? 0;
  // How much is to come is not known: a part of a bar would be made up.
  if (estimated <= 0 && !isDone) return null;
  const value = isDone ? 100 : Math.min(100, (100 * figures.rows_read) / estimated);
  return (
    <Progress
      aria-label={words.progressOf(figures.name)}
      color={isDone ? "green" : "blue"}
      animated={figures.status === "running"}
      value={value}
    />
  );
}
