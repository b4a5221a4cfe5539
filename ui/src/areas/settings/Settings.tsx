// The settings: one address for each part, each loaded when it is first shown.

import { Tabs } from "@mantine/core";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Suspense, lazy, type ComponentType } from "react";

import { EmptyState, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { words } from "./words";

const PARTS: Record<keyof typeof words.tabs, ComponentType> = {
  tokens: lazy(() => import("./Tokens")),
  notifications: lazy(() => import("./Channels")),
  account: lazy(() => import("./Account")),
  users: lazy(() => import("./Users")),
  workspaces: lazy(() => import("./Workspaces")),
  connectors: lazy(() => import("./Connectors")),
  audit: lazy(() => import("./Audit")),
  appearance: lazy(() => import("./Appearance")),
};

export function Settings() {
  const { part = "tokens" } = useParams({ strict: false });
  const navigate = useNavigate();
  const Part = Object.hasOwn(PARTS, part) ? PARTS[part as keyof typeof PARTS] : undefined;
  return (
    <Page title={words.title}>
      <Tabs
        value={part}
        onChange={(to) =>
          void navigate({ to: to === "tokens" ? "/settings" : `/settings/${to ?? ""}` })
        }
      >
        <Tabs.List aria-label={words.parts}>
          {Object.entries(words.tabs).map(([value, label]) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {Part ? (
          <Tabs.Panel value={part} pt="lg">
            <Suspense fallback={<Waiting />}>
              <Part />
            </Suspense>
          </Tabs.Panel>
        ) : (
          <EmptyState icon={null} title={words.noPart} text={words.noPartText} />
        )}
      </Tabs>
    </Page>
  );
}
