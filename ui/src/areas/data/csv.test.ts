import { describe, expect, it } from "vitest";

import { csvOf } from "./csv";

const columns = [
  { name: "id", type: "int64" },
  { name: "say, what", type: "string" },
];

describe("rows as CSV", () => {
  it.each([
    ["a plain text", "plain", "plain"],
    ["a comma", "a,b", '"a,b"'],
    ["a quote", 'say "hi"', '"say ""hi"""'],
    ["lines", "one\r\ntwo", '"one\r\ntwo"'],
    ["the empty text", "", '""'],
    ["null", null, ""],
    ["spaces at the ends", " x ", '" x "'],
    ["a large integer as text", "9007199254740993", "9007199254740993"],
    ["a nested value", { a: [1, "b"] }, '"{""a"":[1,""b""]}"'],
    ["false", false, "false"],
    ["zero", 0, "0"],
  ])("%s", (_name, value, written) =>
    expect(csvOf({ columns, rows: [[1, value]] })).toBe(`id,"say, what"\r\n1,${written}\r\n`),
  );
  it("names the columns of an answer without rows", () =>
    expect(csvOf({ columns, rows: [] })).toBe('id,"say, what"\r\n'));
});
