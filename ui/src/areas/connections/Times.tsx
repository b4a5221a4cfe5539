// When a connection runs: by hand, every so often, by cron, after another; and the next five times.

import {
  Alert,
  Group,
  NativeSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";

import { api, found } from "../../api/client";
import { ErrorNotice } from "../../parts/Notice";
import { at } from "../../parts/format";
import { useNextTimes, type Schedule } from "./calls";
import { words } from "./words";

const KINDS = Object.entries(words.times.kinds).map(([value, label]) => ({ value, label }));
const UNITS = Object.entries(words.times.units).map(([value, label]) => ({ value, label }));
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const ZONES = [...new Set(["UTC", ZONE, ...Intl.supportedValuesOf("timeZone")])];

export const BY_HAND: Schedule = { kind: "manual", jitter_seconds: 0, time_zone: "UTC" };

export function Times(props: {
  schedule: Schedule;
  onSchedule: (schedule: Schedule) => void;
  /** The connection itself, which cannot wait for itself. */
  connectionId?: string;
}) {
  const { schedule, onSchedule, connectionId } = props;
  const [settled] = useDebouncedValue(schedule, 250);
  const times = useNextTimes(settled);
  return (
    <Stack>
      <SegmentedControl
        aria-label={words.times.title}
        data={KINDS}
        value={schedule.kind}
        onChange={(kind) => onSchedule(turned(schedule, kind as Schedule["kind"]))}
        style={{ alignSelf: "start" }}
      />
      {schedule.kind === "manual" && <Text size="sm">{words.times.manual}</Text>}
      {schedule.kind === "interval" && (
        <Every
          seconds={schedule.interval_seconds ?? 3600}
          onSeconds={(seconds) => onSchedule({ ...schedule, interval_seconds: seconds })}
        />
      )}
      {schedule.kind === "cron" && (
        <Group align="end" grow maw={760}>
          <TextInput
            label={words.times.cron}
            description={words.times.cronSays}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            value={schedule.cron ?? ""}
            onChange={(event) => onSchedule({ ...schedule, cron: event.currentTarget.value })}
          />
          <Select
            label={words.times.zone}
            searchable
            limit={50}
            data={ZONES}
            value={schedule.time_zone}
            allowDeselect={false}
            onChange={(zone) => {
              if (zone !== null) onSchedule({ ...schedule, time_zone: zone });
            }}
          />
        </Group>
      )}
      {schedule.kind === "after" && (
        <After
          connectionId={connectionId}
          after={schedule.after ?? null}
          onAfter={(after) => onSchedule({ ...schedule, after })}
        />
      )}
      {times.isError && times.fetchStatus === "idle" && <ErrorNotice error={times.error} />}
      {(schedule.kind === "interval" || schedule.kind === "cron") &&
        times.data &&
        !times.isError && (
          <Alert color="gray" title={words.times.next} maw={620}>
            {times.data.items.map((each) => (
              <div key={each}>{at(each)}</div>
            ))}
          </Alert>
        )}
    </Stack>
  );
}

function turned(schedule: Schedule, kind: Schedule["kind"]): Schedule {
  const same = { jitter_seconds: schedule.jitter_seconds, streams: schedule.streams ?? null };
  if (kind === "interval") return { ...same, kind, time_zone: "UTC", interval_seconds: 3600 };
  if (kind === "cron") return { ...same, kind, time_zone: ZONE, cron: "0 6 * * *" };
  return { ...same, kind, time_zone: "UTC" };
}

function Every({ seconds, onSeconds }: { seconds: number; onSeconds: (s: number) => void }) {
  const unit = [86_400, 3600].find((each) => seconds > 0 && seconds % each === 0) ?? 60;
  return (
    <Group align="end" maw={320} grow>
      <NumberInput
        label={words.times.every}
        min={1}
        allowDecimal={false}
        value={seconds / unit}
        onChange={(value) => {
          if (typeof value === "number" && value > 0) onSeconds(value * unit);
        }}
      />
      <NativeSelect
        label={words.times.unit}
        data={UNITS}
        value={String(unit)}
        onChange={(event) => onSeconds((seconds / unit) * Number(event.currentTarget.value))}
      />
    </Group>
  );
}

function After(props: {
  connectionId: string | undefined;
  after: string | null;
  onAfter: (after: string | null) => void;
}) {
  const others = useQuery({
    queryKey: ["connections", "names"],
    queryFn: async () =>
      found(await api.GET("/api/v1/connections", { params: { query: { limit: 500 } } })),
  });
  if (others.isError) return <ErrorNotice error={others.error} />;
  const data = (others.data?.items ?? [])
    .filter((each) => each.id !== props.connectionId)
    .map((each) => ({ value: each.id, label: each.name }));
  if (others.data && data.length === 0) return <Text size="sm">{words.times.noOther}</Text>;
  return (
    <Select
      maw={420}
      label={words.times.after}
      searchable
      data={data}
      value={props.after}
      onChange={props.onAfter}
    />
  );
}
