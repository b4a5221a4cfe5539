// Every word of the pages that show data in destinations: another language is another such object.

import { count } from "../../parts/format";

export const words = {
  title: "Data",
  about: "What has arrived: the tables of each connection, and questions to destinations.",
  emptyTitle: "No data yet",
  emptyText: "Make a connection; its tables are shown here after the first sync.",
  newConnection: "New connection",
  search: "Search connections",
  none: "No connection is named so.",
  more: "Show more",
  columns: {
    connection: "Connection",
    destination: "Destination",
    synced: "Last success",
    rows: "Rows of the last run",
  },
  never: "never",
  ask: (name: string) => `Ask ${name}`,
  tables: {
    title: "Tables",
    search: "Search tables",
    shown: (some: number, all: number) =>
      some === all ? `${count(all)} tables` : `${count(some)} of ${count(all)} tables`,
    columns: {
      stream: "Stream",
      table: "Table",
      rows: "Rows",
      newest: "Newest row",
      committed: "Committed",
    },
    notThere: "no table yet",
    shared: "more than one stream",
    looking: "Looking into the tables",
    counting: "…",
    empty: "This connection has no streams.",
    none: "No table is named so.",
    see: (name: string) => `Show the first rows of ${name}`,
    again: "Look again",
    onlyChosen: "There are many tables: only the chosen one is counted.",
    hidden:
      "This destination does not show what it holds. Its tables are named here; look into them with a tool of its own.",
  },
  into: {
    from: "From",
    none: "No connection writes into this destination yet.",
    count: "Count rows",
    tables: (connection: string) => `Tables of ${connection}`,
  },
  rows: {
    title: (table: string) => `First rows of ${table}`,
    reading: "Reading the first rows",
    mayNot: "To see rows one has to be an editor; ask an administrator for the role.",
    none: "The table is empty.",
    cut: (number: number) => `The first ${count(number)} rows; there are more.`,
    all: (number: number) => (number === 1 ? "1 row" : `${count(number)} rows`),
    valuesCut: (number: number) =>
      number === 1
        ? "One text is too long to be shown whole."
        : `${count(number)} texts are too long to be shown whole.`,
    download: "Download as CSV",
  },
  sql: {
    title: (name: string) => `Ask ${name}`,
    label: "One SELECT",
    example: "SELECT count(*) FROM users",
    about:
      "It can change nothing and reaches only this destination's tables. The audit log keeps who asked what.",
    run: "Run",
    running: "The destination thinks",
    limit: "Rows at most",
    shortcut: "Ctrl + Enter runs it",
    result: "Answer",
    none: "The answer has no row.",
    unable:
      "This destination cannot keep SQL from changing something, so it is asked nothing here.",
  },
};
