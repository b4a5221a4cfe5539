// Reads a log downwards, upwards and as it grows, a part at a time.

import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { listen } from "../../api/live";
import {
  NOTHING,
  allRows,
  beginOf,
  blockOf,
  endOf,
  isFiltered,
  levelsOf,
  withNext,
  withPrevious,
  type Line,
  type LogWindow,
  type Row,
  type Wanted,
} from "./logWindow";

const PART_BYTES = 1 << 20;
/** How much is read above a line that an address points to. */
const CONTEXT_BYTES = 1 << 17;
/** A search goes on by itself until so many rows are found. */
const FOUND_ROWS = 2_000;
const THE_END = 2 ** 53;

type Place = { line: number } | "first" | "last";

export interface Log {
  rows: Row[];
  window: LogWindow;
  isFirst: boolean;
  isLast: boolean;
  /** It was opened at its end: that is what is to be seen first. */
  isFromEnd: boolean;
  isBusy: boolean;
  error: unknown;
  more: () => void;
  earlier: () => void;
  go: (place: Place) => void;
}

export function useLog(props: {
  runId: number;
  attempt: number;
  wanted: Wanted;
  line: number | undefined;
  goesOn: boolean;
}): Log {
  const { runId, attempt, wanted, goesOn } = props;
  const { search, level, origin } = wanted;
  const [window, change] = useReducer(
    (before: LogWindow, next: (before: LogWindow) => LogWindow) => next(before),
    NOTHING,
  );
  const [busy, setBusy] = useState(0);
  const [error, setError] = useState<unknown>();
  const [isFromEnd, setIsFromEnd] = useState(false);
  // What is answered after one has gone elsewhere belongs to no one.
  const turn = useRef(0);
  const asking = useRef(false);

  const filter = useMemo(() => {
    const levels = levelsOf({ search, level, origin });
    return {
      ...(search === "" ? {} : { q: search }),
      ...(levels.length === 0 ? {} : { level: levels }),
      ...(origin === "all" ? {} : { origin: [origin] }),
    };
  }, [search, level, origin]);
  const ask = useCallback(
    async (offset: number): Promise<Schemas["LogLines"]> =>
      found(
        await api.GET("/api/v1/runs/{run_id}/attempts/{number}/log", {
          params: { path: { run_id: runId, number: attempt }, query: { offset, ...filter } },
        }),
      ),
    [runId, attempt, filter],
  );

  const load = useCallback(
    async (work: (isCurrent: () => boolean) => Promise<void>, isNew: boolean) => {
      if (asking.current && !isNew) return;
      if (isNew) turn.current += 1;
      const mine = turn.current;
      const isCurrent = () => mine === turn.current;
      asking.current = true;
      setBusy((before) => before + 1);
      try {
        await work(isCurrent);
        if (isCurrent()) setError(undefined);
      } catch (reason) {
        if (isCurrent()) setError(reason);
      } finally {
        setBusy((before) => before - 1);
        if (isCurrent()) asking.current = false;
      }
    },
    [],
  );

  const isSearch = isFiltered(wanted);
  const go = useCallback(
    (place: Place) =>
      void load(async (isCurrent) => {
        let offset = 0;
        if (place === "last") offset = (await ask(THE_END)).size - PART_BYTES;
        else if (place !== "first") offset = place.line - CONTEXT_BYTES;
        const part = await ask(Math.max(0, offset));
        const begin = isSearch || offset <= 0 ? 0 : (part.items[0]?.offset ?? offset);
        if (!isCurrent()) return;
        setIsFromEnd(place === "last");
        change(() => withNext(NOTHING, blockOf(begin, part.next_offset, part.items), part.size));
      }, true),
    [ask, load, isSearch],
  );
  const next = endOf(window);
  const more = useCallback(
    () =>
      void load(async (isCurrent) => {
        const part = await ask(next);
        const block = blockOf(next, part.next_offset, part.items);
        if (isCurrent()) change((before) => withNext(before, block, part.size));
      }, false),
    [ask, load, next],
  );
  const begin = beginOf(window);
  const earlier = useCallback(
    () =>
      void load(async (isCurrent) => {
        const offset = Math.max(0, begin - PART_BYTES);
        const part = await ask(offset);
        // An offset within a line begins with the next; what is at hand already comes again.
        const lines = part.items.filter((line) => line.offset < begin);
        const block = blockOf(offset === 0 ? 0 : (lines[0]?.offset ?? offset), begin, lines);
        if (isCurrent()) change((before) => withPrevious(before, block, part.size));
      }, false),
    [ask, load, begin],
  );

  const start = useRef(props.line);
  useEffect(() => {
    const line = start.current;
    // Only the first look is at the line of the address; a search begins where the log does.
    start.current = undefined;
    if (line !== undefined && !isSearch) go({ line });
    else go(isSearch ? "first" : "last");
  }, [go, isSearch]);

  const isLast = window.blocks.length > 0 && next >= window.size;
  const rows = useMemo(() => allRows(window), [window]);
  const goesOnSearching =
    isSearch && !isLast && window.blocks.length > 0 && rows.length < FOUND_ROWS && error == null;
  useEffect(() => {
    if (!goesOnSearching) return undefined;
    const timer = setTimeout(more);
    return () => clearTimeout(timer);
  }, [goesOnSearching, more]);

  const tail = useRef(next);
  useEffect(() => {
    tail.current = next;
  }, [next]);
  const isFollowed = goesOn && isLast;
  useEffect(() => {
    if (!isFollowed) return undefined;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(filter))
      for (const each of [value].flat()) query.append(name, each);
    return listen({
      path: () =>
        `/api/v1/runs/${runId}/attempts/${attempt}/log/follow?offset=${tail.current}&${query.toString()}`,
      on: {
        lines: (data, id) => {
          const end = Number(id);
          change((before) =>
            withNext(before, blockOf(endOf(before), end, JSON.parse(data) as Line[]), end),
          );
        },
      },
    });
  }, [isFollowed, runId, attempt, filter]);

  return {
    rows,
    window,
    // What a search has passed over is not read upwards: it begins at the beginning again.
    isFirst: isSearch || begin === 0,
    isLast,
    isFromEnd,
    isBusy: busy > 0,
    error,
    more,
    earlier,
    go,
  };
}
