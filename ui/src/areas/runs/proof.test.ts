import { describe, expect, it } from "vitest";

import { verdictOf, type StreamProof } from "./proof";

function stream(read: number, filtered: number, sent: number, committed: number): StreamProof {
  return {
    table: "t",
    stream: { name: "t" },
    status: "complete",
    rows_read: read,
    rows_filtered: filtered,
    rows_sent: sent,
    rows_committed: committed,
  };
}

describe("what a receipt proves", () => {
  it.each([
    ["succeeded", stream(3, 0, 3, 3), "Proved complete: read = sent = committed"],
    ["succeeded", stream(3, 1, 2, 2), "Proved complete: read = filtered + sent, sent = committed"],
    ["succeeded", stream(3, 0, 3, 2), "Not proved: t"],
    ["succeeded", stream(3, 0, 2, 2), "Not proved: t"],
    ["succeeded", { ...stream(3, 0, 3, 3), status: "incomplete" }, "Not proved: t"],
    ["failed", stream(3, 0, 3, 3), "Not proved"],
  ])("%s %#", (outcome, one, words) => {
    expect(verdictOf({ outcome, seconds: 1, streams: [one] }).words).toBe(words);
  });
});
