// A part of the settings for administrators: of one workspace, or of everything.

import { IconLock } from "@tabler/icons-react";
import type { ReactNode } from "react";

import { useSession } from "../../api/session";
import { EmptyState } from "../../parts/Notice";
import { words } from "./words";

export function MayAdminister({
  workspaceId,
  children,
}: {
  /** Without one, only those who administer everything. */
  workspaceId?: string;
  children: ReactNode;
}) {
  const { session } = useSession();
  const isHere = session.workspaces.some(
    (each) => each.id === workspaceId && each.role === "admin",
  );
  if (session.is_admin || isHere) return children;
  return (
    <EmptyState
      icon={<IconLock size={40} />}
      title={words.onlyAdmins}
      text={words.onlyAdminsText}
    />
  );
}
