// What the pages about runs ask the server, and how a run is watched while it goes on.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { listen } from "../../api/live";
import type { Proof } from "./proof";

// The chosen streams, pairs in the document, come through the client as lists.
export type Run = Omit<Schemas["RunDetail"], "streams">;
export type RunListed = Omit<Schemas["RunShown"], "streams">;
export type StreamFigures = Schemas["StreamShown"];

const ACTIVE: readonly string[] = ["queued", "running", "waiting"];
export const isActive = (run: { status: string }) => ACTIVE.includes(run.status);

const HOOKS_MS = 2_000;
const isUnderWay = (hook: { status: string }) =>
  hook.status === "pending" || hook.status === "running";

/** Returns a run, its figures new as long as it goes on. */
export function useRun(id: number, isWatched = true) {
  const client = useQueryClient();
  const run = useQuery({
    queryKey: ["runs", id],
    queryFn: async (): Promise<Run> =>
      found(await api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: id } } })),
    // No event tells of each step after a run.
    refetchInterval: (query) =>
      query.state.data?.hooks.some(isUnderWay) === true ? HOOKS_MS : false,
  });
  const goesOn = isWatched && run.data !== undefined && isActive(run.data);
  useEffect(() => {
    if (!goesOn) return undefined;
    return listen({
      path: () => `/api/v1/runs/${id}/follow`,
      on: { run: (data) => client.setQueryData(["runs", id], JSON.parse(data) as Run) },
      onRefused: () => void client.invalidateQueries({ queryKey: ["session"] }),
    });
  }, [client, id, goesOn]);
  return run;
}

export function useReceipt(runId: number, isWanted = true) {
  return useQuery({
    queryKey: ["receipt", runId],
    enabled: isWanted,
    queryFn: async () =>
      found(
        await api.GET("/api/v1/runs/{run_id}/receipt", { params: { path: { run_id: runId } } }),
      ) as unknown as Proof,
    staleTime: Infinity,
  });
}

export function useCancel(runId: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () =>
      api.POST("/api/v1/runs/{run_id}/cancel", { params: { path: { run_id: runId } } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["runs"] }),
  });
}

export interface Totals {
  rowsRead: number;
  bytesRead: number;
  rowsCommitted: number;
}

export function totalsOf(streams: readonly StreamFigures[]): Totals {
  const totals = { rowsRead: 0, bytesRead: 0, rowsCommitted: 0 };
  for (const each of streams) {
    totals.rowsRead += each.rows_read;
    totals.bytesRead += each.bytes_read;
    totals.rowsCommitted += each.rows_committed;
  }
  return totals;
}

const WINDOW_MS = 5_000;
interface Sample {
  at: number;
  rows: number;
  bytes: number;
}

/** Returns rows and bytes a second: of the last seconds while it runs, of the whole afterwards. */
export function useRates(run: Run, totals: Totals, now: number): { rows: number; bytes: number } {
  const samples = useRef<Sample[]>([]);
  const [recent, setRecent] = useState<{ rows: number; bytes: number }>();
  const { rowsRead, bytesRead } = totals;
  useEffect(() => {
    const at = Date.now();
    const kept = samples.current.filter((each) => at - each.at <= WINDOW_MS);
    samples.current = [...kept, { at, rows: rowsRead, bytes: bytesRead }];
    const first = samples.current[0];
    const seconds = first === undefined ? 0 : (at - first.at) / 1000;
    if (first !== undefined && seconds >= 1)
      setRecent({
        rows: Math.max(0, rowsRead - first.rows) / seconds,
        bytes: Math.max(0, bytesRead - first.bytes) / seconds,
      });
  }, [rowsRead, bytesRead, now]);
  const seconds = secondsOf(run, now);
  const whole = seconds > 0 ? { rows: rowsRead / seconds, bytes: bytesRead / seconds } : undefined;
  return (isActive(run) ? (recent ?? whole) : whole) ?? { rows: 0, bytes: 0 };
}

export function secondsOf(run: Run, now: number): number {
  if (run.started_at === null) return 0;
  const end = run.ended_at === null ? now : Date.parse(run.ended_at);
  return Math.max(0, (end - Date.parse(run.started_at)) / 1000);
}

/** Returns the time, new every second while it matters. */
export function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isTicking) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}
