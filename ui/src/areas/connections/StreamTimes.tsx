// Further schedules of a connection, each for some of its streams.

import { ActionIcon, Button, Group, MultiSelect, Paper, Stack, Text } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";

import type { Schedule } from "./calls";
import { keyOf, titleOf } from "./choices";
import { BY_HAND, Times } from "./Times";
import { words } from "./words";

const MOST_LISTED = 50;

/** Tells whether each of these says which streams it is for. */
export function areComplete(schedules: readonly Schedule[]): boolean {
  return schedules.every((each) => (each.streams ?? []).length > 0);
}

export function StreamTimes(props: {
  schedules: readonly Schedule[];
  onSchedules: (schedules: Schedule[]) => void;
  streams: readonly { namespace?: string | null; name: string }[];
  connectionId: string;
}) {
  const { schedules, onSchedules, streams, connectionId } = props;
  const known = new Map(streams.map((each) => [keyOf(each), titleOf(each)]));
  const put = (index: number, schedule: Schedule) =>
    onSchedules(schedules.map((each, at) => (at === index ? schedule : each)));
  return (
    <Stack>
      <Text size="sm">{words.streamTimes.says}</Text>
      {schedules.map((schedule, index) => {
        const chosen = (schedule.streams ?? []).map(([namespace, name]) => ({ namespace, name }));
        const data = new Map([
          ...known,
          ...chosen.map((each) => [keyOf(each), titleOf(each)] as const),
        ]);
        return (
          // Their order is all that tells them apart.
          <Paper
            key={index}
            withBorder
            p="md"
            role="group"
            aria-label={words.streamTimes.name(index + 1)}
          >
            <Stack>
              <Group align="end" wrap="nowrap">
                <MultiSelect
                  flex={1}
                  maw={560}
                  label={words.streamTimes.streams}
                  placeholder={chosen.length === 0 ? words.streamTimes.choose : undefined}
                  searchable
                  limit={MOST_LISTED}
                  error={chosen.length === 0 ? words.streamTimes.missing : null}
                  data={[...data].map(([value, label]) => ({ value, label }))}
                  value={chosen.map(keyOf)}
                  onChange={(keys) =>
                    put(index, {
                      ...schedule,
                      streams: keys.map((key) => JSON.parse(key) as [string | null, string]),
                    })
                  }
                />
                <ActionIcon
                  variant="subtle"
                  color="red"
                  size={36}
                  aria-label={words.streamTimes.remove(index + 1)}
                  onClick={() => onSchedules(schedules.filter((_, at) => at !== index))}
                >
                  <IconTrash size={18} />
                </ActionIcon>
              </Group>
              <Times
                schedule={schedule}
                onSchedule={(changed) =>
                  put(index, { ...changed, streams: schedule.streams ?? null })
                }
                connectionId={connectionId}
              />
            </Stack>
          </Paper>
        );
      })}
      <div>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} />}
          onClick={() =>
            onSchedules([
              ...schedules,
              { ...BY_HAND, kind: "interval", interval_seconds: 3600, streams: [] },
            ])
          }
        >
          {words.streamTimes.add}
        </Button>
      </div>
    </Stack>
  );
}
