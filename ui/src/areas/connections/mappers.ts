// The mappings there are, what each has to be told, and how the API writes them.

import { words } from "./words";

/** As the API has it: `{"id", "type", "mapperConfiguration"}`. */
export type Mapper = Record<string, unknown>;

export interface Asked {
  name: string;
  label: string;
  says?: string;
  /** A field of the stream, to be chosen. */
  isField?: boolean;
  isLong?: boolean;
  /** Kept encrypted by the server, which sends a mask instead. */
  isSecret?: boolean;
  options?: readonly { value: string; label: string }[];
  isOptional?: boolean;
  /** Asked only when this is so. */
  when?: (config: Record<string, string>) => boolean;
}

const same = (values: string[]) => values.map((value) => ({ value, label: value }));

const m = words.mappings;
const FIELD: Asked = { name: "targetField", label: m.field, isField: true };
const isAes = (config: Record<string, string>) => config.algorithm === "AES";

const ASKED: Record<string, Asked[]> = {
  hashing: [
    FIELD,
    {
      name: "method",
      label: m.method,
      options: same(["SHA-256", "SHA-512", "SHA-384", "SHA-224", "SHA-1", "MD5"]),
    },
    { name: "fieldNameSuffix", label: m.suffix, isOptional: true },
  ],
  "field-renaming": [
    { name: "originalFieldName", label: m.field, isField: true },
    { name: "newFieldName", label: m.newName },
  ],
  "field-filtering": [FIELD],
  "row-filtering": [
    {
      name: "keep",
      label: m.keep,
      options: [
        { value: "EQUAL", label: m.keepEqual },
        { value: "NOT", label: m.keepOther },
      ],
    },
    { name: "fieldName", label: m.field, isField: true },
    { name: "comparisonValue", label: m.value },
  ],
  encryption: [
    FIELD,
    { name: "algorithm", label: m.algorithm, options: same(["AES", "RSA"]) },
    { name: "mode", label: m.mode, options: same(["GCM", "CBC", "CTR"]), when: isAes },
    { name: "key", label: m.key, says: m.keySays, isSecret: true, when: isAes },
    { name: "publicKey", label: m.publicKey, isLong: true, when: (config) => !isAes(config) },
    { name: "fieldNameSuffix", label: m.suffix, isOptional: true },
  ],
  "sql-field": [
    { name: "targetField", label: m.field },
    { name: "expression", label: m.expression, says: m.expressionSays, isLong: true },
  ],
  "sql-filter": [{ name: "expression", label: m.expression, says: m.expressionSays, isLong: true }],
};

const FRESH: Record<string, Record<string, string>> = {
  hashing: { method: "SHA-256", fieldNameSuffix: "_hashed" },
  "row-filtering": { keep: "EQUAL" },
  encryption: { algorithm: "AES", mode: "GCM", fieldNameSuffix: "_encrypted" },
};

export const TYPES = Object.keys(ASKED);

/** A mapping as the form holds it; one that the form cannot show keeps its document. */
export interface Held {
  type: string;
  id: string | undefined;
  config: Record<string, string>;
  kept: Mapper | undefined;
}

export const fresh = (type: string): Held => ({
  type,
  id: undefined,
  config: { ...FRESH[type] },
  kept: undefined,
});

export function askedOf(held: Held): Asked[] {
  return (ASKED[held.type] ?? []).filter((each) => each.when?.(held.config) ?? true);
}

export function isComplete(held: Held): boolean {
  if (held.kept) return true;
  return askedOf(held).every(
    (each) => each.isOptional || (held.config[each.name] ?? "").trim() !== "",
  );
}

export function heldOf(mapper: Mapper): Held {
  const type = String(mapper.type);
  const id = typeof mapper.id === "string" ? mapper.id : undefined;
  const given = (mapper.mapperConfiguration ?? {}) as Record<string, unknown>;
  const flat = type === "row-filtering" ? flatCondition(given.conditions) : given;
  const isKnown =
    flat !== undefined &&
    type in ASKED &&
    Object.values(flat).every((value) => typeof value === "string");
  if (!isKnown) return { type, id, config: {}, kept: mapper };
  return { type, id, config: { ...(flat as Record<string, string>) }, kept: undefined };
}

export function mapperOf(held: Held): Mapper {
  if (held.kept) return held.kept;
  const asked = new Set(askedOf(held).map((each) => each.name));
  const known = Object.values(ASKED[held.type] ?? []).map((each) => each.name);
  const config = Object.fromEntries(
    Object.entries(held.config).filter(([name]) => asked.has(name) || !known.includes(name)),
  );
  return {
    ...(held.id === undefined ? {} : { id: held.id }),
    type: held.type,
    mapperConfiguration: held.type === "row-filtering" ? conditionOf(config) : config,
  };
}

/** Returns `{type: EQUAL, …}`, or NOT of one of them, as the form's three values. */
function flatCondition(condition: unknown): Record<string, unknown> | undefined {
  const given = condition as
    | { type?: string; conditions?: unknown[]; fieldName?: unknown; comparisonValue?: unknown }
    | undefined;
  if (given?.type === "EQUAL")
    return { keep: "EQUAL", fieldName: given.fieldName, comparisonValue: given.comparisonValue };
  if (given?.type !== "NOT" || given.conditions?.length !== 1) return undefined;
  const inner = flatCondition(given.conditions[0]);
  return inner?.keep === "EQUAL" ? { ...inner, keep: "NOT" } : undefined;
}

function conditionOf(config: Record<string, string>): Record<string, unknown> {
  const equal = {
    type: "EQUAL",
    fieldName: config.fieldName,
    comparisonValue: config.comparisonValue,
  };
  const isEqual = config.keep !== "NOT";
  return { conditions: isEqual ? equal : { type: "NOT", conditions: [equal] } };
}
