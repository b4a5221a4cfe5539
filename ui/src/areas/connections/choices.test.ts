import { describe, expect, it } from "vitest";

import {
  changedKeys,
  draftOf,
  freshDraft,
  keyOf,
  lackOf,
  takenChoices,
  typeOf,
  withChoice,
  withCursorAndKey,
  withEntries,
  withMode,
  type Found,
} from "./choices";

function found(name: string, more: Partial<Found> = {}): Found {
  return {
    name,
    namespace: null,
    supported_sync_modes: ["full_refresh", "incremental"],
    source_defined_cursor: false,
    default_cursor_field: [],
    source_defined_primary_key: [],
    fields: 3,
    suggested: {
      name,
      namespace: null,
      mode: "full_refresh_overwrite",
      cursor_field: [],
      primary_key: [],
      mappers: [],
      include_files: false,
    },
    ...more,
  };
}

const one = (draft: ReturnType<typeof freshDraft>, name: string) => {
  const entry = draft.get(keyOf({ name }));
  if (!entry) throw new Error(name);
  return entry;
};

describe("what a stream lacks", () => {
  it.each([
    ["full_refresh_overwrite", {}, undefined],
    ["incremental_append", {}, /cursor/],
    ["incremental_append", { source_defined_cursor: true }, undefined],
    ["incremental_append", { default_cursor_field: ["at"] }, undefined],
    ["incremental_append", { supported_sync_modes: ["full_refresh"] }, /only as a whole/],
    ["incremental_deduped_history", { source_defined_cursor: true }, /primary key/],
    ["full_refresh_overwrite_deduped", { source_defined_primary_key: [["id"]] }, undefined],
  ] as const)("%s of %o", (mode, more, lack) => {
    const draft = freshDraft([found("a", more as Partial<Found>)]);
    const entry = withChoice(one(draft, "a"), { mode });
    if (lack === undefined) expect(lackOf(entry)).toBeUndefined();
    else expect(lackOf(entry)).toMatch(lack);
    expect(lackOf({ ...entry, isTaken: false })).toBeUndefined();
  });
});

describe("many streams at once", () => {
  it("get a mode where they can be read so", () => {
    const draft = freshDraft([found("a"), found("b", { supported_sync_modes: ["full_refresh"] })]);
    const [next, kept] = withMode(draft, [...draft.keys()], "incremental_append");
    expect(kept).toBe(1);
    expect(one(next, "a").choice.mode).toBe("incremental_append");
    expect(one(next, "b").choice.mode).toBe("full_refresh_overwrite");
  });

  it("get cursor and key where they have the fields and the source does not set them", () => {
    const draft = freshDraft([
      found("a"),
      found("b", { source_defined_primary_key: [["uid"]] }),
      found("c"),
    ]);
    const fields = new Map([
      [keyOf({ name: "a" }), new Set(["id", "at"])],
      [keyOf({ name: "b" }), new Set(["id", "at"])],
      [keyOf({ name: "c" }), new Set(["x"])],
    ]);
    const [next, set] = withCursorAndKey(draft, fields, "at", ["id"]);
    expect(set).toBe(2);
    expect(one(next, "a").choice).toMatchObject({ cursor_field: ["at"], primary_key: [["id"]] });
    expect(one(next, "b").choice).toMatchObject({ cursor_field: ["at"], primary_key: [] });
    expect(one(next, "c")).toBe(one(draft, "c"));
  });
});

describe("a connection's choices", () => {
  it("come back as they were, with streams that are gone", () => {
    const kept = { ...found("gone").suggested, selected_fields: [["id"]] };
    const draft = draftOf([found("a"), found("b")], [kept, found("b").suggested]);
    expect(takenChoices(draft)).toEqual([found("b").suggested, kept]);
    expect(lackOf(one(draft, "gone"))).toMatch(/no more/);
  });

  it("differ only by what was changed", () => {
    const draft = draftOf([found("a"), found("b")], null);
    const next = withEntries(draft, [keyOf({ name: "b" })], (entry) => ({
      ...entry,
      isTaken: false,
    }));
    expect(changedKeys(draft, next)).toEqual([keyOf({ name: "b" })]);
    const back = withEntries(next, [keyOf({ name: "b" })], (entry) => ({
      ...entry,
      isTaken: true,
    }));
    expect(changedKeys(draft, back)).toEqual([]);
  });
});

describe("a field's type in words", () => {
  it.each([
    [{ type: ["null", "string"] }, "string"],
    [{ type: "string", format: "date-time" }, "date-time"],
    [{ type: "string", airbyte_type: "timestamp_with_timezone", format: "date-time" }, "date-time"],
    [{ type: "array", items: { type: "integer" } }, "array of integer"],
    [{ oneOf: [{ type: "string" }, { type: "null" }, { type: "number" }] }, "string or number"],
    [{}, "any"],
  ])("%o", (schema, words) => expect(typeOf(schema)).toBe(words));
});
