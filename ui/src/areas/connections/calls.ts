// What the pages about connections ask the server, and what others have to be told of it.

import { useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";

import { api, found, type Schemas } from "../../api/client";
import { RequestFailed, problemOf } from "../../parts/Notice";
import { answered } from "../connectors/calls";
import { typeOf, type Choice, type Field, type Found } from "./choices";

export type Connection = Schemas["ConnectionShown"];
export type ConnectionChange = Schemas["ConnectionFields"];
export type Schedule = Schemas["Schedule"];

const PAGE = 10_000;

export interface Catalog {
  id: string;
  discoveredAt: string;
  streams: Found[];
}

/** Asks a source what it has, anew when it never was or `isNew`; then reads the whole answer. */
async function discovered(sourceId: string, isNew: boolean): Promise<Catalog> {
  if (!isNew) {
    const [kept] = await catalogOf(sourceId);
    if (kept) return kept;
  }
  const probe = await answered(
    found(await api.POST("/api/v1/probes/discover", { body: { source_id: sourceId } })),
  );
  if (probe.failure) throw failed(probe.failure);
  const [catalog, reason] = await catalogOf(sourceId);
  if (!catalog) throw reason;
  return catalog;
}

async function catalogOf(sourceId: string): Promise<[Catalog, undefined] | [undefined, unknown]> {
  const streams: Found[] = [];
  let after: string | undefined;
  for (;;) {
    let page: Schemas["Streams"];
    try {
      page = found(
        await api.GET("/api/v1/sources/{source_id}/streams", {
          params: {
            path: { source_id: sourceId },
            query: { limit: PAGE, ...(after === undefined ? {} : { after }) },
          },
        }),
      );
    } catch (error) {
      // A source that was never looked at; whoever asked does so now.
      if (problemOf(error).status === 0 || problemOf(error).status >= 500) throw error;
      return [undefined, error];
    }
    streams.push(...page.items);
    if (page.next === null)
      return [{ id: page.catalog_id, discoveredAt: page.discovered_at, streams }, undefined];
    after = page.next;
  }
}

export function useCatalog(sourceId: string | null) {
  return useQuery({
    queryKey: ["catalog", sourceId],
    enabled: sourceId !== null,
    queryFn: () => discovered(sourceId ?? "", false),
    staleTime: 60_000,
  });
}

/** Looks at a source again, whatever is known of it. */
export function useDiscovery(sourceId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => discovered(sourceId, true),
    onSuccess: async (catalog) => {
      client.setQueryData(["catalog", sourceId], catalog);
      await client.invalidateQueries({ queryKey: ["fields", sourceId] });
      await client.invalidateQueries({ queryKey: ["schema-diff"] });
    },
  });
}

export async function fieldsOf(
  sourceId: string,
  stream: { namespace?: string | null; name: string },
): Promise<Field[]> {
  const query = {
    stream: stream.name,
    ...(stream.namespace ? { namespace: stream.namespace } : {}),
  };
  const answer = found(
    await api.GET("/api/v1/sources/{source_id}/fields", {
      params: { path: { source_id: sourceId }, query },
    }),
  );
  return answer.items.map((each) => ({ path: each.path, type: typeOf(each.json_schema) }));
}

export function useFields(sourceId: string, stream: Choice, isWanted = true) {
  return useQuery({
    queryKey: ["fields", sourceId, stream.namespace ?? null, stream.name],
    enabled: isWanted,
    queryFn: () => fieldsOf(sourceId, stream),
    staleTime: 60_000,
  });
}

export function useNextTimes(schedule: Schedule) {
  return useQuery({
    queryKey: ["times", schedule],
    enabled: schedule.kind === "interval" || schedule.kind === "cron",
    queryFn: async () =>
      found(await api.POST("/api/v1/connections/preview-schedule", { body: schedule })),
    placeholderData: (before) => before,
  });
}

export function useConnection(connectionId: string) {
  return useQuery({
    queryKey: ["connection", connectionId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/connections/{connection_id}", {
          params: { path: { connection_id: connectionId } },
        }),
      ) as Connection,
  });
}

/** Changes a connection; what is left out stays. */
export function useChange(connectionId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: ConnectionChange) =>
      found(
        await api.PATCH("/api/v1/connections/{connection_id}", {
          params: { path: { connection_id: connectionId } },
          body,
        }),
      ) as Connection,
    onSuccess: (changed) => told(client, changed),
  });
}

/** What `useStart` asks for: a sync, a refresh or a clear, of all or of some streams. */
export type Wish = Schemas["NewRun"];

export function useStart(connectionId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Wish) =>
      found(
        await api.POST("/api/v1/connections/{connection_id}/runs", {
          params: { path: { connection_id: connectionId } },
          body,
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["connection", connectionId] });
      await client.invalidateQueries({ queryKey: ["runs"] });
    },
  });
}

/** Returns what a connector answered to a question as an error of the pages. */
export function failed(failure: Schemas["FailureShown"]): RequestFailed {
  return new RequestFailed({
    status: 422,
    code: failure.code,
    detail: failure.message,
    remedy: failure.remedy,
    problems: [],
  });
}

async function told(client: QueryClient, changed: Connection): Promise<void> {
  client.setQueryData(["connection", changed.id], changed);
  await client.invalidateQueries({ queryKey: ["connections"] });
  await client.invalidateQueries({ queryKey: ["events"] });
}
