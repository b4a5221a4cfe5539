import { describe, expect, it } from "vitest";

import { someRows } from "./question";

describe("a proposed question", () => {
  it.each([
    [null, "users", "users"],
    ["main", "users", "main.users"],
    ["Main", "users", '"Main".users'],
    ["main", "order", 'main."order"'],
    ["main", "2024 sales", 'main."2024 sales"'],
    ["main", 'a"b', 'main."a""b"'],
  ])("names %s %s as %s", (schema, table, name) =>
    expect(someRows(schema, table)).toBe(`SELECT *\nFROM ${name}\nLIMIT 100`),
  );
});
