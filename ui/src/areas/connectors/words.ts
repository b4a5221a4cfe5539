// The words of the pages about sources and destinations: another language is another such object.

export const words = {
  source: {
    title: "Sources",
    add: "New source",
    none: "No source yet",
    empty: "A source is where rows come from: a database, a service, a file.",
    nameHint: "What you call this source",
  },
  destination: {
    title: "Destinations",
    add: "New destination",
    none: "No destination yet",
    empty: "A destination is where rows go: your warehouse.",
    nameHint: "What you call this destination",
  },
  columns: { name: "Name", type: "Type", connections: "Connections", changed: "Changed" },
  search: "Search connectors",
  noneFits: "No connector is named so.",
  builtIn: "built in",
  newOf: (add: string, title: string) => `${add}: ${title}`,
  asking: "Asking the connector what it needs",
  name: "Name",
  needed: "This is needed.",
  settings: "Settings",
  connecting: "Connecting…",
  works: "The connection works",
  save: "Save",
  test: "Test",
  remove: "Remove",
  removeAsks: (name: string) => `Remove ${name} and its secrets?`,
};
