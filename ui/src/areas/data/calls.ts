// What the pages about data ask the server: tables, rows, and the answers of destinations.

import { useMutation, useQuery } from "@tanstack/react-query";

import { api, found, type Schemas } from "../../api/client";
import type { Connection } from "../connections/calls";

/** Tables are counted one by one in the destination: so many in one question. */
export const MOST_COUNTED = 100;

export function useNames(connection: Connection) {
  return useQuery({
    queryKey: ["names", connection.id, connection.updated_at],
    queryFn: async () =>
      found(
        await api.POST("/api/v1/connections/preview-naming", {
          body: {
            source_id: connection.source_id,
            destination_id: connection.destination_id,
            streams: connection.streams,
            namespace_rule: connection.namespace_rule,
            namespace_format: connection.namespace_format,
            prefix: connection.prefix,
          },
        }),
      ).items,
  });
}

export function useFacts(destinationId: string) {
  return useQuery({
    queryKey: ["facts", destinationId],
    queryFn: async () =>
      found(
        await api.GET("/api/v1/destinations/{destination_id}/facts", {
          params: { path: { destination_id: destinationId } },
        }),
      ),
    staleTime: 60_000,
  });
}

/** Counts all tables of a connection, or the one of `stream`. */
export function useTables(connectionId: string, stream: Stream | undefined, isWanted: boolean) {
  return useQuery({
    queryKey: ["tables", connectionId, stream ?? null],
    enabled: isWanted,
    queryFn: async () =>
      found(
        await api.GET("/api/v1/connections/{connection_id}/tables", {
          params: { path: { connection_id: connectionId }, query: asked(stream) },
        }),
      ).items,
    // A question starts a process: not again whenever somebody comes back to the page.
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
}

export interface Stream {
  name: string;
  namespace: string | null;
}

export function useRows(connectionId: string, stream: Stream, isWanted: boolean) {
  return useQuery({
    queryKey: ["rows", connectionId, stream],
    enabled: isWanted,
    queryFn: async () =>
      found(
        await api.GET("/api/v1/connections/{connection_id}/rows", {
          params: {
            path: { connection_id: connectionId },
            query: {
              stream: stream.name,
              ...(stream.namespace === null ? {} : { namespace: stream.namespace }),
              limit: 50,
            },
          },
        }),
      ),
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
}

export function useQuestion(destinationId: string) {
  return useMutation({
    mutationFn: async (body: Schemas["NewQuery"]) =>
      found(
        await api.POST("/api/v1/destinations/{destination_id}/query", {
          params: { path: { destination_id: destinationId } },
          body,
        }),
      ),
  });
}

function asked(stream: Stream | undefined) {
  if (stream === undefined) return {};
  return {
    stream: stream.name,
    ...(stream.namespace === null ? {} : { namespace: stream.namespace }),
  };
}
