// What is chosen of a source's streams, and what is still missing; nothing here draws or asks.

import type { Schemas } from "../../api/client";
import { words } from "./words";

export type Found = Schemas["StreamSummary"];
export type Choice = Schemas["StreamChoice"];
export type Mode = Schemas["ModeName"];
export type FieldPath = string[];

/** A stream as the pages hold it: what the source says of it, and how it is to be read. */
export interface Entry {
  key: string;
  /** Undefined for a stream that the source has no more. */
  found: Found | undefined;
  choice: Choice;
  isTaken: boolean;
}
/** By key, in the source's order; never changed, only replaced. */
export type Draft = ReadonlyMap<string, Entry>;

/** The brief's four first. */
export const FIRST_MODES = [
  "full_refresh_overwrite",
  "full_refresh_append",
  "incremental_append",
  "incremental_deduped_history",
] as const satisfies Mode[];
export const FURTHER_MODES = [
  "full_refresh_overwrite_deduped",
  "full_refresh_update",
  "full_refresh_soft_delete",
  "incremental_update",
  "incremental_soft_delete",
] as const satisfies Mode[];
export const MODES: readonly Mode[] = [...FIRST_MODES, ...FURTHER_MODES];

/** Modes that keep one row per key. */
const KEYED: ReadonlySet<Mode> = new Set([
  "incremental_deduped_history",
  ...FURTHER_MODES,
] satisfies Mode[]);

export function keyOf(stream: { namespace?: string | null; name: string }): string {
  return JSON.stringify([stream.namespace || null, stream.name]);
}

/** Returns the name with its namespace, as people write it. */
export function titleOf(stream: { namespace?: string | null; name: string }): string {
  return stream.namespace ? `${stream.namespace}.${stream.name}` : stream.name;
}

export const isIncremental = (mode: Mode) => mode.startsWith("incremental_");
export const isKeyed = (mode: Mode) => KEYED.has(mode);

/** Returns the streams of a source, each as it is best read, all of them chosen. */
export function freshDraft(streams: readonly Found[]): Draft {
  return new Map(
    streams.map((found) => {
      const key = keyOf(found);
      return [key, { key, found, choice: found.suggested, isTaken: true }];
    }),
  );
}

/** Returns a connection's choices; `choices` null is every stream, as a whole, replaced. */
export function draftOf(streams: readonly Found[], choices: readonly Choice[] | null): Draft {
  const chosen = new Map((choices ?? []).map((choice) => [keyOf(choice), choice]));
  const draft = new Map<string, Entry>();
  for (const found of streams) {
    const key = keyOf(found);
    const choice =
      choices === null
        ? { ...blank(found), mode: "full_refresh_overwrite" as const }
        : (chosen.get(key) ?? found.suggested);
    draft.set(key, { key, found, choice, isTaken: choices === null || chosen.has(key) });
  }
  for (const [key, choice] of chosen)
    if (!draft.has(key)) draft.set(key, { key, found: undefined, choice, isTaken: true });
  return draft;
}

/** Tells whether the source can read a stream so at all. */
export function canBe(found: Found | undefined, mode: Mode): boolean {
  return (
    found === undefined ||
    !isIncremental(mode) ||
    found.supported_sync_modes.includes("incremental")
  );
}

export function cursorOf({ found, choice }: Entry): FieldPath {
  if (found?.source_defined_cursor) return found.default_cursor_field;
  return choice.cursor_field.length > 0 ? choice.cursor_field : (found?.default_cursor_field ?? []);
}

export function primaryKeyOf({ found, choice }: Entry): FieldPath[] {
  const fixed = found?.source_defined_primary_key ?? [];
  return fixed.length > 0 ? fixed : choice.primary_key;
}

/** Returns what a chosen stream lacks; undefined when it can be read so. */
export function lackOf(entry: Entry): string | undefined {
  const { found, choice, isTaken } = entry;
  if (!isTaken) return undefined;
  if (found === undefined) return words.isGone;
  if (!canBe(found, choice.mode)) return words.notIncremental;
  const needsCursor = isIncremental(choice.mode) && !found.source_defined_cursor;
  if (needsCursor && cursorOf(entry).length === 0) return words.needsCursor;
  if (isKeyed(choice.mode) && primaryKeyOf(entry).length === 0) return words.needsKey;
  if (choice.selected_fields?.length === 0) return words.needsField;
  return undefined;
}

/** Returns a draft with some streams changed. */
export function withEntries(
  draft: Draft,
  keys: Iterable<string>,
  change: (entry: Entry) => Entry,
): Draft {
  const next = new Map(draft);
  for (const key of keys) {
    const entry = draft.get(key);
    if (entry) next.set(key, change(entry));
  }
  return next;
}

export function withChoice(entry: Entry, change: Partial<Choice>): Entry {
  const choice = { ...entry.choice, ...change };
  // What the source offers as cursor is taken over, visibly, as soon as one is needed.
  if (isIncremental(choice.mode) && choice.cursor_field.length === 0)
    choice.cursor_field = entry.found?.default_cursor_field ?? [];
  return { ...entry, choice };
}

/** Sets the mode where the source can read so; also returns how many streams keep theirs. */
export function withMode(draft: Draft, keys: readonly string[], mode: Mode): [Draft, number] {
  const able = keys.filter((key) => canBe(draft.get(key)?.found, mode));
  const next = withEntries(draft, able, (entry) => withChoice(entry, { mode }));
  return [next, keys.length - able.length];
}

/** Sets cursor and key where a stream has these fields and may choose them. */
export function withCursorAndKey(
  draft: Draft,
  fields: ReadonlyMap<string, ReadonlySet<string>>,
  cursor: string,
  primaryKey: readonly string[],
): [Draft, number] {
  let set = 0;
  const next = withEntries(draft, fields.keys(), (entry) => {
    const has = fields.get(entry.key);
    const change: Partial<Choice> = {};
    if (cursor !== "" && has?.has(cursor) && !entry.found?.source_defined_cursor)
      change.cursor_field = [cursor];
    const mayChooseKey = entry.found?.source_defined_primary_key.length === 0;
    if (primaryKey.length > 0 && primaryKey.every((name) => has?.has(name)) && mayChooseKey)
      change.primary_key = primaryKey.map((name) => [name]);
    if (Object.keys(change).length === 0) return entry;
    set += 1;
    return withChoice(entry, change);
  });
  return [next, set];
}

export function takenChoices(draft: Draft): Choice[] {
  return [...draft.values()].filter((entry) => entry.isTaken).map((entry) => entry.choice);
}

/** Returns the keys of streams that two drafts hold differently. */
export function changedKeys(before: Draft, after: Draft): string[] {
  if (before === after) return [];
  return [...after.values()]
    .filter((entry) => {
      const old = before.get(entry.key);
      if (old === entry) return false;
      if (old === undefined || old.isTaken !== entry.isTaken) return true;
      return entry.isTaken && JSON.stringify(old.choice) !== JSON.stringify(entry.choice);
    })
    .map((entry) => entry.key);
}

/** A field of a stream, as the source describes it. */
export interface Field {
  path: FieldPath;
  type: string;
}

/** Returns a field's type in a word or two: "string", "date-time", "array of integer". */
export function typeOf(schema: Record<string, unknown>): string {
  const format = schema.format ?? schema.airbyte_type;
  if (typeof format === "string") return format.replaceAll("_", " ");
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(alternatives))
    return [...new Set(alternatives.map((each) => typeOf(each as Record<string, unknown>)))]
      .filter((each) => each !== "null")
      .join(" or ");
  const named = Array.isArray(schema.type) ? (schema.type as unknown[]) : [schema.type];
  const types = named.filter((each): each is string => typeof each === "string" && each !== "null");
  const items = schema.items;
  if (types.includes("array") && typeof items === "object" && items !== null)
    return `array of ${typeOf(items as Record<string, unknown>)}`;
  return types.join(" or ") || (named.includes("null") ? "null" : "any");
}

function blank(found: Found): Choice {
  return { ...found.suggested, selected_fields: null, mappers: [] };
}
