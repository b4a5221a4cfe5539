// Every address and its page; a page's code is loaded when it is first shown.

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";

import { Frame } from "./App";
import { root as base } from "./api/client";
import { EmptyState, PageFailed, Waiting } from "./parts/Notice";
import { words } from "./words";

const root = createRootRoute({
  component: Frame,
  notFoundComponent: () => <EmptyState icon={null} title={words.noPage} text={words.noPageText} />,
  errorComponent: ({ error }: { error: unknown }) => <PageFailed error={error} />,
  pendingComponent: Waiting,
});

const at = <P extends string>(path: P, load: () => Promise<object>, name: string) =>
  createRoute({
    getParentRoute: () => root,
    path,
    component: lazyRouteComponent(load as never, name as never),
  });

const home = () => import("./areas/home/Home");
const connectors = () => import("./areas/connectors/pages");
const connections = () => import("./areas/connections/pages");
const data = () => import("./areas/data/pages");
const settings = () => import("./areas/settings/Settings");
const manifest = () => import("./areas/manifest/Editor");
const run = () => import("./areas/runs/RunPage");

const tree = root.addChildren([
  at("/", home, "Home"),
  at("/sources", connectors, "SourceList"),
  at("/sources/new", connectors, "SourceGallery"),
  at("/sources/new/$definitionId", connectors, "NewSource"),
  at("/sources/$connectorId", connectors, "EditSource"),
  at("/destinations", connectors, "DestinationList"),
  at("/destinations/new", connectors, "DestinationGallery"),
  at("/destinations/new/$definitionId", connectors, "NewDestination"),
  at("/destinations/$connectorId", connectors, "EditDestination"),
  at("/connections", connections, "ConnectionList"),
  at("/connections/new", connections, "NewConnection"),
  at("/connections/$connectionId/{-$part}", connections, "ConnectionPage"),
  at("/connections/$connectionId/runs/$runId/{-$part}", run, "RunPage"),
  at("/data", data, "DataList"),
  at("/data/$connectionId", data, "ConnectionData"),
  at("/data/destinations/$destinationId", data, "DestinationData"),
  at("/settings/{-$part}", settings, "Settings"),
  at("/manifest", manifest, "ManifestEditor"),
]);

export const router = createRouter({
  routeTree: tree,
  basepath: base || "/",
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
