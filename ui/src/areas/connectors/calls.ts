// What sources and destinations ask the server; the two differ in their addresses only.

import { useQuery } from "@tanstack/react-query";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import type { JsonObject } from "./form/json";

export type Kind = "source" | "destination";
export type Connector = Schemas["ConnectorShown"];

export async function listed(kind: Kind, workspaceId: string): Promise<Connector[]> {
  const all: Connector[] = [];
  let after: string | undefined;
  do {
    const query = {
      workspace_id: workspaceId,
      limit: 500,
      ...(after === undefined ? {} : { after }),
    };
    const page: Schemas["Connectors"] = found(
      kind === "source"
        ? await api.GET("/api/v1/sources", { params: { query } })
        : await api.GET("/api/v1/destinations", { params: { query } }),
    );
    all.push(...page.items);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return all;
}

/** Those of the workspace that one works in. */
export function useConnectors(kind: Kind) {
  const { workspaceId } = useSession();
  return useQuery({
    queryKey: [`${kind}s`, "all", workspaceId],
    queryFn: () => listed(kind, workspaceId),
  });
}

export async function one(kind: Kind, id: string): Promise<Connector> {
  const params = { path: { connector_id: id } };
  return found(
    kind === "source"
      ? await api.GET("/api/v1/sources/{connector_id}", { params })
      : await api.GET("/api/v1/destinations/{connector_id}", { params }),
  );
}

export async function made(kind: Kind, body: Schemas["NewConnector"]): Promise<Connector> {
  return found(
    kind === "source"
      ? await api.POST("/api/v1/sources", { body })
      : await api.POST("/api/v1/destinations", { body }),
  );
}

export async function changed(
  kind: Kind,
  id: string,
  body: { name: string; config: JsonObject },
): Promise<Connector> {
  const params = { path: { connector_id: id } };
  return found(
    kind === "source"
      ? await api.PATCH("/api/v1/sources/{connector_id}", { params, body })
      : await api.PATCH("/api/v1/destinations/{connector_id}", { params, body }),
  );
}

export async function removed(kind: Kind, id: string): Promise<void> {
  const params = { path: { connector_id: id } };
  if (kind === "source") await api.DELETE("/api/v1/sources/{connector_id}", { params });
  else await api.DELETE("/api/v1/destinations/{connector_id}", { params });
}

/** Waits for the answer to a question that was asked of a connector. */
export async function answered(probe: Schemas["ProbeShown"]): Promise<Schemas["ProbeShown"]> {
  let asked = probe;
  while (asked.status === "running" || asked.status === "queued") {
    await new Promise((resolve) => setTimeout(resolve, 300));
    asked = found(
      await api.GET("/api/v1/probes/{probe_id}", { params: { path: { probe_id: asked.id } } }),
    );
  }
  return asked;
}
