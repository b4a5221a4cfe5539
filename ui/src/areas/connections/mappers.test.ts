import { expect, it } from "vitest";

import { fresh, heldOf, isComplete, mapperOf } from "./mappers";

it.each([
  [{ type: "hashing", id: "1", mapperConfiguration: { targetField: "a", method: "MD5" } }],
  [{ type: "field-renaming", mapperConfiguration: { originalFieldName: "a", newFieldName: "b" } }],
  [{ type: "sql-filter", mapperConfiguration: { expression: "a < 3" } }],
  [
    {
      type: "row-filtering",
      mapperConfiguration: {
        conditions: { type: "EQUAL", fieldName: "a", comparisonValue: "0" },
      },
    },
  ],
  [
    {
      type: "row-filtering",
      mapperConfiguration: {
        conditions: {
          type: "NOT",
          conditions: [{ type: "EQUAL", fieldName: "a", comparisonValue: "x" }],
        },
      },
    },
  ],
  // More than the form can show: it stays as it is.
  [
    {
      type: "row-filtering",
      mapperConfiguration: { conditions: { type: "NOT", conditions: [] } },
    },
  ],
  [{ type: "another", mapperConfiguration: { deep: { value: 1 } } }],
  [
    {
      type: "encryption",
      mapperConfiguration: { targetField: "a", algorithm: "AES", mode: "GCM", key: "****" },
    },
  ],
])("a mapping goes through the form unchanged: %o", (mapper) => {
  expect(mapperOf(heldOf(mapper))).toEqual(mapper);
});

it("a new mapping is not complete until it is told what it needs", () => {
  const held = fresh("hashing");
  expect(isComplete(held)).toBe(false);
  expect(isComplete({ ...held, config: { ...held.config, targetField: "email" } })).toBe(true);
});

it("what belongs to the other algorithm is not sent", () => {
  const held = fresh("encryption");
  const config = { ...held.config, targetField: "a", algorithm: "RSA", publicKey: "p", key: "k" };
  expect(mapperOf({ ...held, config }).mapperConfiguration).toEqual({
    targetField: "a",
    algorithm: "RSA",
    publicKey: "p",
    fieldNameSuffix: "_encrypted",
  });
});
