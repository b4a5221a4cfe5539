import { describe, expect, it } from "vitest";

import {
  MOST_ROWS,
  NOTHING,
  allRows,
  beginOf,
  blockOf,
  endOf,
  withNext,
  withPrevious,
  type Line,
} from "./logWindow";

const line = (offset: number, message = `line ${offset}`): Line => ({
  at: "2026-01-01T00:00:00Z",
  level: "INFO",
  origin: "source",
  message,
  offset,
});
const many = (begin: number, end: number) =>
  blockOf(
    begin,
    end,
    Array.from({ length: end - begin }, (_, at) => line(begin + at)),
  );
const offsets = (window: Parameters<typeof allRows>[0]) =>
  allRows(window).map((row) => row.line.offset);

describe("the part of a log at hand", () => {
  it("grows at both ends, each line once", () => {
    let window = withNext(NOTHING, many(10, 20), 100);
    window = withNext(window, many(20, 30), 100);
    window = withPrevious(window, many(0, 10), 100);
    expect(offsets(window)).toEqual(Array.from({ length: 30 }, (_, at) => at));
    expect([beginOf(window), endOf(window)]).toEqual([0, 30]);
  });

  it("takes no block twice, and none with a gap before it", () => {
    const window = withNext(NOTHING, many(10, 20), 100);
    expect(withNext(window, many(10, 20), 100)).toBe(window);
    expect(withNext(window, many(25, 30), 100)).toBe(window);
    expect(withPrevious(window, many(0, 9), 100)).toBe(window);
  });

  it("lets go of the far end when it is too much", () => {
    const half = MOST_ROWS / 2;
    let window = withNext(NOTHING, many(0, half), 1e9);
    window = withNext(window, many(half, 2 * half), 1e9);
    window = withNext(window, many(2 * half, 3 * half), 1e9);
    expect([beginOf(window), endOf(window)]).toEqual([half, 3 * half]);
    window = withPrevious(window, many(0, half), 1e9);
    expect([beginOf(window), endOf(window)]).toEqual([0, 2 * half]);
  });

  it("gives each line of a message a row of its own, all with one address", () => {
    const window = withNext(NOTHING, blockOf(0, 9, [line(0, "one\ntwo")]), 9);
    expect(allRows(window).map((row) => [row.text, row.isFirst, row.line.offset])).toEqual([
      ["one", true, 0],
      ["two", false, 0],
    ]);
  });

  it("goes on where a filter found nothing", () => {
    const window = withNext(withNext(NOTHING, blockOf(0, 50, []), 100), many(50, 52), 100);
    expect([beginOf(window), endOf(window), offsets(window)]).toEqual([0, 52, [50, 51]]);
  });
});
