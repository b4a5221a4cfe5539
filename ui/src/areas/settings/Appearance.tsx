// Light or dark, and in which language numbers and times are written.

import { SegmentedControl, Stack, Text, useMantineColorScheme } from "@mantine/core";

import { useState } from "react";

import { at, count } from "../../parts/format";
import { words as all } from "./words";

const words = all.appearance;
type Scheme = keyof typeof words.schemes;

export default function Appearance() {
  const [now] = useState(() => new Date().toISOString());
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Stack maw={560} align="start">
      <div>
        <Text fw={600} id="scheme">
          {words.scheme}
        </Text>
        <Text size="sm" c="dimmed">
          {words.about}
        </Text>
      </div>
      <SegmentedControl
        aria-labelledby="scheme"
        data={Object.entries(words.schemes).map(([value, label]) => ({ value, label }))}
        value={colorScheme}
        onChange={(value) => setColorScheme(value as Scheme)}
      />
      <div>
        <Text fw={600}>{words.language}</Text>
        <Text size="sm" c="dimmed">
          {words.languageText}
        </Text>
        <Text size="sm">
          {navigator.language} · {Intl.DateTimeFormat().resolvedOptions().timeZone} ·{" "}
          {count(1234567.8)} · {at(now)}
        </Text>
      </div>
    </Stack>
  );
}
