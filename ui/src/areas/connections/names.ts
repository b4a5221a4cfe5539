// What a destination will call the tables of a draft, and which streams would meet in one.

import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { api, found } from "../../api/client";
import { keyOf, type Choice } from "./choices";
import type { Naming } from "./naming";

export interface Name {
  key: string;
  stream: { name: string; namespace: string | null };
  /** With its schema, where it is not the destination's own. */
  table: string;
}

export interface Names {
  data: { items: Name[]; collisions: string[] } | undefined;
  byKey: ReadonlyMap<string, string>;
  error: unknown;
}

const SETTLES_MS = 300;

export function useNames(props: {
  sourceId: string;
  destinationId: string | undefined;
  choices: readonly Choice[];
  naming: Naming;
}): Names {
  const { sourceId, destinationId, choices, naming } = props;
  // Only what names depend on: a mode that changes asks nothing.
  const named = useMemo(
    () =>
      choices.map(({ name, namespace, destination_object_name: table }) => ({
        name,
        namespace: namespace ?? null,
        destination_object_name: table ?? null,
      })),
    [choices],
  );
  const asked = useMemo(
    () =>
      JSON.stringify({ named, rule: naming.rule, format: naming.format, prefix: naming.prefix }),
    [named, naming.rule, naming.format, naming.prefix],
  );
  const [settled] = useDebouncedValue(asked, SETTLES_MS);
  const query = useQuery({
    queryKey: ["names", sourceId, destinationId, settled],
    enabled: destinationId !== undefined && choices.length > 0,
    queryFn: async () => {
      const draft = JSON.parse(settled) as { named: Choice[] } & Naming;
      const answer = found(
        await api.POST("/api/v1/connections/preview-naming", {
          body: {
            source_id: sourceId,
            destination_id: destinationId ?? "",
            streams: draft.named,
            namespace_rule: draft.rule,
            namespace_format: draft.rule === "custom_format" ? draft.format : null,
            prefix: draft.prefix,
          },
        }),
      );
      const items = answer.items.map((each) => ({
        key: keyOf({ name: each.stream, namespace: each.namespace }),
        stream: { name: each.stream, namespace: each.namespace },
        table: each.schema_name === null ? each.table : `${each.schema_name}.${each.table}`,
      }));
      const shared = answer.items.flatMap((each, at) =>
        each.is_shared ? [items[at]?.table ?? each.table] : [],
      );
      return { items, collisions: [...new Set(shared)] };
    },
    placeholderData: (before) => before,
    gcTime: 10_000,
  });
  const byKey = useMemo(
    () => new Map((query.data?.items ?? []).map((each) => [each.key, each.table])),
    [query.data],
  );
  return { data: query.data, byKey, error: query.error };
}
