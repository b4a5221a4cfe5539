// Who is signed in, for every page below.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, type ReactNode } from "react";

import { Waiting, ErrorNotice, problemOf } from "../parts/Notice";
import { Login } from "../areas/login/Login";
import { api, found, root, sendToken, type Schemas } from "./client";

type Session = Schemas["SessionShown"];
const SessionContext = createContext<{ session: Session; workspaceId: string } | undefined>(
  undefined,
);

export function useSession(): { session: Session; workspaceId: string } {
  const context = useContext(SessionContext);
  if (context === undefined) throw new Error("This needs somebody who is signed in.");
  return context;
}

export function SignedIn({ children }: { children: ReactNode }) {
  const query = useQuery({
    queryKey: ["session"],
    queryFn: async () => {
      const session = found(await api.GET("/api/v1/session"));
      sendToken(session.csrf_token);
      return session;
    },
    retry: false,
    staleTime: Infinity,
  });
  if (query.isPending) return <Waiting />;
  if (query.isError) {
    if (problemOf(query.error).status === 401) return <Login />;
    return <ErrorNotice error={query.error} again={() => void query.refetch()} />;
  }
  const first = query.data.workspaces[0];
  if (!first) return <ErrorNotice error={new Error("no workspace")} />;
  return (
    <SessionContext.Provider value={{ session: query.data, workspaceId: first.id }}>
      <Live />
      {children}
    </SessionContext.Provider>
  );
}

/** Listens to what happens, and lets everything that it may have changed be asked anew. */
function Live() {
  const client = useQueryClient();
  useEffect(() => {
    const source = new EventSource(`${root}/api/v1/events/follow`, { withCredentials: true });
    source.addEventListener("event", () => {
      for (const key of [
        "connections",
        "connection",
        "runs",
        "sources",
        "destinations",
        "home",
        "events",
      ])
        void client.invalidateQueries({ queryKey: [key] });
    });
    return () => source.close();
  }, [client]);
  return null;
}
