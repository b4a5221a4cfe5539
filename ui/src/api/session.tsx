// Who is signed in, for every page below.

import { Modal } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, type ReactNode } from "react";

import { ErrorNotice, RequestFailed, Waiting, problemOf } from "../parts/Notice";
import { Login } from "../areas/login/Login";
import { words } from "../words";
import { api, found, root, sendToken, whenSignedOut, type Schemas } from "./client";
import { listen } from "./live";

/** What an event may have changed. */
const CHANGING = [
  "connections",
  "connection",
  "runs",
  "sources",
  "destinations",
  "home",
  "events",
  "states",
  "schema-diff",
];

type Session = Schemas["SessionShown"];
interface Who {
  session: Session;
  /** The workspace that new things are made in; kept in this browser. */
  workspaceId: string;
  chooseWorkspace: (id: string) => void;
}
const SessionContext = createContext<Who | undefined>(undefined);

export function useSession(): Who {
  const context = useContext(SessionContext);
  if (context === undefined) throw new Error("This needs somebody who is signed in.");
  return context;
}

export function SignedIn({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [chosen, chooseWorkspace] = useLocalStorage({
    key: "penstock-workspace",
    defaultValue: "",
    getInitialValueInEffect: false,
  });
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
  useEffect(() => whenSignedOut(() => void client.invalidateQueries({ queryKey: ["session"] })));
  const isSignedOut = query.isError && problemOf(query.error).status === 401;
  if (query.isPending) return <Waiting />;
  // A session that ends leaves the page, and what was typed into it, as it is below.
  if (query.data === undefined) {
    if (isSignedOut) return <Login />;
    return <ErrorNotice error={query.error} again={() => void query.refetch()} />;
  }
  const workspaces = query.data.workspaces;
  const here = workspaces.find((each) => each.id === chosen) ?? workspaces[0];
  if (!here) return <ErrorNotice error={noRole()} />;
  return (
    <SessionContext.Provider value={{ session: query.data, workspaceId: here.id, chooseWorkspace }}>
      {isSignedOut ? <SignInAgain userId={query.data.user_id} /> : <Live />}
      {children}
    </SessionContext.Provider>
  );
}

function noRole(): RequestFailed {
  return new RequestFailed({
    status: 403,
    code: "access_denied",
    detail: words.noRole,
    remedy: words.noRoleRemedy,
    problems: [],
  });
}

/** Asks for the session's owner in front of the page; somebody else begins with a new page. */
function SignInAgain({ userId }: { userId: string }) {
  const client = useQueryClient();
  return (
    <Modal
      opened
      onClose={() => {}}
      withCloseButton={false}
      closeOnEscape={false}
      fullScreen
      title={words.ended}
    >
      <Login
        onSignedIn={(session) => {
          if (session.user_id !== userId) window.location.assign(`${root}/`);
          else void client.invalidateQueries();
        }}
      />
    </Modal>
  );
}

/** Listens to what happens, and lets everything that it may have changed be asked anew. */
function Live() {
  const client = useQueryClient();
  useEffect(() => {
    const all = () => {
      for (const key of CHANGING) void client.invalidateQueries({ queryKey: [key] });
    };
    return listen({
      path: () => "/api/v1/events/follow",
      on: { event: all },
      onBack: all,
      onRefused: () => void client.invalidateQueries({ queryKey: ["session"] }),
    });
  }, [client]);
  return null;
}
