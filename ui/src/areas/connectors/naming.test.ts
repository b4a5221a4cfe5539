import { describe, expect, it } from "vitest";

import { isName, nameOf } from "./naming";

describe("the name of a connector", () => {
  it.each([
    ["Acme Orders!", "acme-orders"],
    ["  2nd  try ", "nd-try"],
    ["Straße", "stra-e"],
    ["日本", ""],
    ["API_v2", "api-v2"],
  ])("of %j is %j", (title, name) => expect(nameOf(title)).toBe(name));
  it.each([
    ["acme-orders", true],
    ["a1", true],
    ["Acme", false],
    ["-a", false],
    ["a--b", false],
    ["a-", false],
    ["1a", false],
    ["", false],
  ])("may %j be: %j", (text, may) => expect(isName(text)).toBe(may));
});
