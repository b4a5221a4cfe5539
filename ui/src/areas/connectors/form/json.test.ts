import { describe, expect, it } from "vitest";

import { isEqual, pointer, valueAt, withValueAt } from "./json";

describe("places in JSON", () => {
  it("sets a value and leaves everything beside it the same object", () => {
    const before = { a: { b: 1 }, c: { d: [1, 2] } };
    const after = withValueAt(before, ["c", "d", 1], 3);
    expect(after).toEqual({ a: { b: 1 }, c: { d: [1, 3] } });
    expect((after as typeof before).a).toBe(before.a);
    expect(before.c.d).toEqual([1, 2]);
  });
  it("takes a name out when the value is undefined", () => {
    expect(withValueAt({ a: 1, b: 2 }, ["a"], undefined)).toEqual({ b: 2 });
  });
  it("makes what is missing on the way", () => {
    expect(withValueAt(undefined, ["a", "b"], 1)).toEqual({ a: { b: 1 } });
  });
  it("treats a name like __proto__ as any other name", () => {
    const made = withValueAt({}, ["__proto__", "x"], 1);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect(valueAt(made, ["__proto__", "x"])).toBe(1);
  });
  it("writes RFC 6901 pointers", () => {
    expect(pointer(["a/b", "c~d", 0])).toBe("/a~1b/c~0d/0");
  });
  it("compares values, not the order of names", () => {
    expect(isEqual({ a: 1, b: [null] }, { b: [null], a: 1 })).toBe(true);
    expect(isEqual({ a: 1 }, { a: 1, b: 2 })).toBe(false);
  });
});
