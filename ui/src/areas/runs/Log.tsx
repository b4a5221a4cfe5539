// The log of an attempt: searched, filtered, followed, linked to by the line; never read whole.

import {
  Button,
  Group,
  NativeSelect,
  Paper,
  Progress,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconDownload, IconSearch } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";

import { root } from "../../api/client";
import { useAddress } from "../../parts/address";
import { ErrorNotice } from "../../parts/Notice";
import { bytes } from "../../parts/format";
import { isActive, type Run } from "./calls";
import classes from "./Log.module.css";
import { beginOf, isFiltered, type Row, type Wanted } from "./logWindow";
import { useLog, type Log } from "./useLog";
import { words } from "./words";

const ROW = 20;
const NEAR = 400;
const LEVELS = Object.entries(words.log.levels).map(([value, label]) => ({ value, label }));
const ORIGINS = Object.entries(words.log.origins).map(([value, label]) => ({ value, label }));

export function LogOf({ run }: { run: Run }) {
  const [chosen, setAttempt] = useAddress("attempt");
  const [level = "all", setLevel] = useAddress("level");
  const [origin = "all", setOrigin] = useAddress("origin");
  const [asked = "", setAsked] = useAddress("q");
  const [search, setSearch] = useState(asked);
  const [settled] = useDebouncedValue(search.trim(), 300);
  useEffect(() => {
    if (settled !== asked) setAsked(settled === "" ? undefined : settled);
  }, [settled, asked, setAsked]);
  const last = run.attempts.at(-1);
  const number = run.attempts.some((each) => String(each.number) === chosen)
    ? Number(chosen)
    : last?.number;
  if (number === undefined) return <Text c="dimmed">{words.log.none}</Text>;
  const wanted = { search: settled, level, origin };
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="xs">
          {run.attempts.length > 1 && (
            <NativeSelect
              size="xs"
              aria-label={words.attempt(number)}
              data={run.attempts.map((each) => ({
                value: String(each.number),
                label: words.attempt(each.number),
              }))}
              value={String(number)}
              onChange={(event) => setAttempt(event.currentTarget.value)}
            />
          )}
          <TextInput
            size="xs"
            w={240}
            aria-label={words.log.search}
            placeholder={words.log.search}
            leftSection={<IconSearch size={14} />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <NativeSelect
            size="xs"
            aria-label={words.log.level}
            data={LEVELS}
            value={level}
            onChange={(event) => setLevel(event.currentTarget.value)}
          />
          <NativeSelect
            size="xs"
            aria-label={words.log.origin}
            data={ORIGINS}
            value={origin}
            onChange={(event) => setOrigin(event.currentTarget.value)}
          />
        </Group>
        <Button
          size="xs"
          variant="default"
          component="a"
          leftSection={<IconDownload size={14} />}
          href={`${root}/api/v1/runs/${run.id}/attempts/${number}/log/download`}
        >
          {words.log.download}
        </Button>
      </Group>
      <Lines
        key={`${run.id} ${number}`}
        runId={run.id}
        attempt={number}
        wanted={wanted}
        goesOn={isActive(run) && number === last?.number}
      />
    </Stack>
  );
}

function Lines(props: { runId: number; attempt: number; wanted: Wanted; goesOn: boolean }) {
  const { wanted } = props;
  const [address, setAddress] = useAddress("line");
  const line = address === undefined ? undefined : Number(address);
  const log = useLog({ ...props, line });
  const { rows } = log;
  const place = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- its values stay in this component
  const drawn = useVirtualizer({
    count: rows.length,
    getScrollElement: () => place.current,
    estimateSize: () => ROW,
    overscan: 20,
  });
  useKeptPlace(place, log, line);
  const near = () => {
    const element = place.current;
    if (element === null || log.isBusy) return;
    if (element.scrollTop < NEAR && !log.isFirst) log.earlier();
    else if (element.scrollHeight - element.scrollTop - element.clientHeight < NEAR && !log.isLast)
      log.more();
  };
  const items = drawn.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = drawn.getTotalSize() - (items.at(-1)?.end ?? 0);
  const whole = rows.find((row) => row.line.offset === line)?.line;
  const { size } = log.window;
  const passed = size === 0 ? 100 : Math.floor((100 * lookedThrough(log)) / size);
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text size="xs" c="dimmed" aria-live="polite">
          {isFiltered(wanted) && !log.isLast && log.isBusy
            ? words.log.searching(passed)
            : `${words.log.found(rows.filter((row) => row.isFirst).length)}, ${words.log.size(
                bytes(lookedThrough(log)),
                bytes(size),
              )}`}
        </Text>
        <Group gap="xs">
          <Button size="compact-xs" variant="default" onClick={() => log.go("first")}>
            {words.log.first}
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => log.go("last")}>
            {words.log.last}
          </Button>
        </Group>
      </Group>
      {isFiltered(wanted) && !log.isLast && <Progress size={3} value={passed} aria-hidden />}
      {log.error != null && <ErrorNotice error={log.error} />}
      <div
        ref={place}
        role="region"
        aria-label={words.log.title}
        tabIndex={0}
        className={classes.place}
        onScroll={near}
      >
        {rows.length === 0 && !log.isBusy && (
          <Text size="sm" c="dimmed" p="sm">
            {isFiltered(wanted) ? words.log.noneFits : words.log.none}
          </Text>
        )}
        <div style={{ height: above }} />
        {items.map(({ index }) => {
          const row = rows[index];
          return row === undefined ? null : (
            <LogRow
              key={index}
              row={row}
              search={wanted.search}
              isChosen={row.line.offset === line}
              onChoose={() => setAddress(String(row.line.offset))}
            />
          );
        })}
        <div style={{ height: below }} />
      </div>
      {whole && (
        <Paper withBorder p="sm">
          <Text ff="monospace" fz="xs" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {whole.at} {whole.level} {whole.origin}: {whole.message}
          </Text>
        </Paper>
      )}
    </Stack>
  );
}

const lookedThrough = ({ window }: Log) => (window.blocks.at(-1)?.end ?? 0) - beginOf(window);

/** Keeps the lines one looks at where they are while others come above, and the end at the end. */
function useKeptPlace(
  place: React.RefObject<HTMLDivElement | null>,
  log: Log,
  line: number | undefined,
): void {
  const { rows } = log;
  const before = useRef<Row[]>([]);
  const isShown = useRef(false);
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const old = before.current;
    before.current = rows;
    if (rows.length === 0 || rows === old) return;
    const top = Math.floor(element.scrollTop / ROW);
    const anchor = old[Math.min(top, old.length - 1)];
    const at = anchor === undefined ? -1 : rows.indexOf(anchor);
    const wasAtEnd = element.scrollTop + element.clientHeight >= (old.length - 1) * ROW;
    if (at === -1) {
      // Other lines than before: the line of the address, or the end of the log.
      const chosen = isShown.current ? -1 : rows.findIndex((row) => row.line.offset === line);
      isShown.current = true;
      if (chosen >= 0) element.scrollTo({ top: Math.max(0, (chosen - 5) * ROW) });
      else element.scrollTo({ top: log.isFromEnd ? rows.length * ROW : 0 });
    } else if (wasAtEnd && log.isLast && old.length < rows.length)
      element.scrollTo({ top: rows.length * ROW });
    else if (at !== top) element.scrollBy({ top: (at - top) * ROW });
  }, [place, rows, log.isLast, log.isFromEnd, line]);
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});

function LogRow(props: { row: Row; search: string; isChosen: boolean; onChoose: () => void }) {
  const { row, search, isChosen, onChoose } = props;
  const { line } = row;
  const tone =
    line.level === "WARN" || line.level === "WARNING"
      ? classes.warn
      : ["ERROR", "FATAL", "CRITICAL"].includes(line.level)
        ? classes.error
        : undefined;
  return (
    <div className={`${classes.row ?? ""} ${isChosen ? (classes.chosen ?? "") : ""}`}>
      <span className={classes.time}>
        {row.isFirst && (
          <a
            href={`?line=${line.offset}`}
            title={words.log.copy(line.offset)}
            onClick={(event) => {
              if (event.metaKey || event.ctrlKey || event.shiftKey) return;
              event.preventDefault();
              onChoose();
            }}
          >
            {clock.format(new Date(line.at))}
          </a>
        )}
      </span>
      <span className={`${classes.level ?? ""} ${tone ?? ""}`}>{row.isFirst && line.level}</span>
      <span className={classes.origin}>{row.isFirst && line.origin}</span>
      <span className={tone}>
        <Marked text={row.text} search={search} />
      </span>
    </div>
  );
}

function Marked({ text, search }: { text: string; search: string }) {
  const at = search === "" ? -1 : text.toLowerCase().indexOf(search.toLowerCase());
  if (at === -1) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + search.length)}</mark>
      {text.slice(at + search.length)}
    </>
  );
}
