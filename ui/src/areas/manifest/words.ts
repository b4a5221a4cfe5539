// Every word of the page on which a manifest is written: another language is another such object.

import { count } from "../../parts/format";

export const words = {
  title: "Write a manifest",
  settings: "Settings",
  about:
    "A low-code manifest describes a REST service in YAML, as Airbyte's Connector Builder writes it. Read it, try a stream, and add it as a connector.",
  editor: "Manifest (YAML)",
  editorHint: "Kept in this browser while you write. Secrets belong into the settings, not here.",
  file: "Open a file",
  startAnew: "Begin with the example",
  anewTitle: "Begin with the example?",
  anewText: "What you have written is replaced.",
  back: "Back",
  read: "Read it",
  readText: "Reading it shows which settings it asks for, and its streams.",
  stale: "The manifest was changed since it was read.",
  try: "Try a stream",
  stream: "Stream",
  otherStream: "Another name…",
  streamName: "Name of the stream",
  noSettings: "It asks for no settings.",
  records: "Records at most",
  pages: "Pages of a slice",
  slices: "Slices at most",
  test: "Test",
  testing: "Reading. The first time, airbyte-cdk is installed, which takes a minute.",
  result: {
    title: "What came",
    total: (records: number, pages: number) =>
      `${number(records, "record")} from ${number(pages, "page")}`,
    cut: "There is more than was asked for.",
    textsCut: (cut: number) => `${number(cut, "text")} too long to be shown whole.`,
    nothing: "No request was made.",
    noAnswer: "no answer",
    page: (method: string, status: string, records: number) =>
      `${method} → ${status}, ${number(records, "record")}`,
    slice: (slice: string) => `Slice ${slice}`,
    tabs: { records: "Records", response: "Response", request: "Request" },
    noRecords: "Nothing was taken out of this answer.",
    noBody: "No body",
    headers: "Headers",
    schema: "A schema that fits these records",
    lines: "What was made of it",
    region: (name: string) => `${name} of a page`,
  },
  add: {
    title: "Add it as a connector",
    about: "Then it stands in the gallery of sources. A changed manifest is added anew.",
    name: "Name",
    do: "Add",
    done: (name: string) => `${name} is in the gallery.`,
    use: "Set up a source",
  },
};

function number(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
