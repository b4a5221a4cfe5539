// What a form shows for a connector's specification: the JSON Schema read as a tree of fields.

import { isEqual, isObject, type Json, type JsonObject } from "./json";

interface Common {
  name: string;
  title: string;
  description: string;
  isRequired: boolean;
  isHidden: boolean;
  /** Shown at once although it is optional. */
  isAlwaysShown: boolean;
  order: number | undefined;
  default: Json | undefined;
}

export interface TextField extends Common {
  kind: "text";
  isSecret: boolean;
  isMultiline: boolean;
  format: "date" | "date-time" | "plain";
  pattern: string | undefined;
  /** How a value looks that fits the pattern, in words. */
  patternHint: string | undefined;
  minLength: number | undefined;
  maxLength: number | undefined;
  example: string | undefined;
}
export interface NumberField extends Common {
  kind: "number";
  isInteger: boolean;
  minimum: number | undefined;
  maximum: number | undefined;
  example: string | undefined;
}
export interface BooleanField extends Common {
  kind: "boolean";
}
export interface SelectField extends Common {
  kind: "select";
  options: Json[];
}
export interface ConstField extends Common {
  kind: "const";
  value: Json;
}
export interface GroupField extends Common {
  kind: "group";
  fields: Field[];
}
export interface ListField extends Common {
  kind: "list";
  item: Field;
  minItems: number;
  maxItems: number | undefined;
}
export interface ChoiceField extends Common {
  kind: "choice";
  /** What can be chosen; each a field of its own, most often a group with a const in it. */
  options: Field[];
}
/** Anything else: shown as JSON text, so that nothing a schema allows is out of reach. */
export interface JsonField extends Common {
  kind: "json";
}
export type Field =
  | TextField
  | NumberField
  | BooleanField
  | SelectField
  | ConstField
  | GroupField
  | ListField
  | ChoiceField
  | JsonField;

/** Returns the fields of a specification's `connectionSpecification`. */
export function fieldsOfSpec(schema: JsonObject): GroupField {
  const field = new Reader(schema).field("", schema, true);
  if (field.kind === "group") return field;
  // A specification without properties: a connector that needs no settings.
  return { ...commonOf("", {}, true), kind: "group", fields: [] };
}

/** The value that a new configuration begins with: constants and defaults. */
export function initialValue(field: Field): Json | undefined {
  switch (field.kind) {
    case "const":
      return field.value;
    case "group": {
      const value: JsonObject = {};
      for (const inner of field.fields) {
        const initial =
          inner.isRequired || inner.kind === "const"
            ? initialValue(inner)
            : settled(inner, inner.default);
        if (initial !== undefined) value[inner.name] = initial;
      }
      return value;
    }
    case "choice": {
      if (field.default !== undefined) return settled(field, field.default);
      const first = field.options[0];
      return first && initialValue(first);
    }
    default:
      return field.default;
  }
}

/** Returns a default without the nulls by which some connectors say that a setting is not given. */
function settled(field: Field, value: Json | undefined): Json | undefined {
  if (!isObject(value)) return value;
  const group = field.kind === "choice" ? field.options[chosenOption(field, value)] : field;
  if (group?.kind !== "group") return value;
  const known = new Map(group.fields.map((inner) => [inner.name, inner]));
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, given]): [string, Json][] => {
      const inner = known.get(name);
      if (inner === undefined) return [[name, given]];
      return given === null ? [] : [[name, settled(inner, given) ?? given]];
    }),
  );
}

/**
 * Returns which option a value was written with; -1 when it fits none.
 * Constants decide; where options have none, the one most of whose names the value has.
 */
export function chosenOption(field: ChoiceField, value: Json | undefined): number {
  if (value === undefined) return -1;
  let best = -1;
  let bestScore = 0;
  field.options.forEach((option, index) => {
    const score = likeness(option, value);
    if (score > bestScore) [best, bestScore] = [index, score];
  });
  return best;
}

/** Changes from one option to another, keeping what both have under one name and kind. */
export function switchedValue(from: Field | undefined, to: Field, value: Json | undefined): Json {
  const initial = initialValue(to) ?? null;
  if (from?.kind !== "group" || to.kind !== "group" || !isObject(value) || !isObject(initial))
    return initial;
  const kept: JsonObject = { ...initial };
  for (const field of to.fields) {
    const before = from.fields.find((other) => other.name === field.name);
    const held = value[field.name];
    if (field.kind !== "const" && before?.kind === field.kind && held !== undefined)
      kept[field.name] = held;
  }
  return kept;
}

function likeness(option: Field, value: Json): number {
  switch (option.kind) {
    case "const":
      return isEqual(option.value, value) ? 2 : 0;
    case "group": {
      if (!isObject(value)) return 0;
      let score = 1;
      for (const field of option.fields) {
        const held = value[field.name];
        if (field.kind === "const") {
          if (held === undefined) continue;
          if (!isEqual(field.value, held)) return 0;
          score += 1000;
        } else if (held !== undefined) score += 1;
        else if (field.isRequired) score -= 0.5;
      }
      return Math.max(score, 0.1);
    }
    case "text":
      return typeof value === "string" ? 1 : 0;
    case "number":
      return typeof value === "number" ? 1 : 0;
    case "boolean":
      return typeof value === "boolean" ? 1 : 0;
    case "select":
      return option.options.some((each) => isEqual(each, value)) ? 2 : 0;
    case "list":
      return Array.isArray(value) ? 1 : 0;
    default:
      return 0.05;
  }
}

class Reader {
  constructor(private readonly root: JsonObject) {}

  field(name: string, raw: Json | undefined, isRequired: boolean, depth = 0): Field {
    const schema = this.resolved(raw);
    const common = commonOf(name, schema, isRequired);
    const type = typeOf(schema);
    // A schema that holds itself would never end; beyond this depth it is edited as text.
    if (depth > 12) return { ...common, kind: "json" };
    if (schema.const !== undefined) return { ...common, kind: "const", value: schema.const };
    const options = this.optionsOf(schema);
    if (options) {
      const read = options.map((option) => this.option(option, schema, depth));
      return { ...common, kind: "choice", options: read };
    }
    if (Array.isArray(schema.enum)) {
      const values = schema.enum.filter((value) => value !== null);
      const [only] = values;
      // Older connectors write their constants as an enumeration of one.
      if (values.length === 1 && only !== undefined && isRequired && name !== "")
        return { ...common, kind: "const", value: only };
      return { ...common, kind: "select", options: values };
    }
    if (isObject(schema.properties)) return this.group(common, schema, depth);
    switch (type) {
      case "string":
        return textField(common, schema);
      case "integer":
      case "number":
        return {
          ...common,
          kind: "number",
          isInteger: type === "integer",
          minimum: numberOf(schema.minimum),
          maximum: numberOf(schema.maximum),
          example: exampleOf(schema),
        };
      case "boolean":
        return { ...common, kind: "boolean" };
      case "array": {
        if (!isObject(schema.items)) return { ...common, kind: "json" };
        return {
          ...common,
          kind: "list",
          item: this.field("", schema.items, true, depth + 1),
          minItems: numberOf(schema.minItems) ?? 0,
          maxItems: numberOf(schema.maxItems),
        };
      }
      case "object":
        if (schema.additionalProperties === false && schema.patternProperties === undefined)
          return this.group(common, schema, depth);
        return { ...common, kind: "json" };
      default:
        return { ...common, kind: "json" };
    }
  }

  private group(common: Common, schema: JsonObject, depth: number): GroupField {
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const properties = isObject(schema.properties) ? schema.properties : {};
    const fields = Object.entries(properties).map(([name, inner]) =>
      this.field(name, inner, required.has(name), depth + 1),
    );
    return { ...common, kind: "group", fields: ordered(fields) };
  }

  private option(option: Json, outer: JsonObject, depth: number): Field {
    const schema = this.resolved(option);
    // Properties beside `oneOf` belong to every option.
    const shared = isObject(outer.properties) ? outer.properties : undefined;
    if (shared === undefined) return this.field("", schema, true, depth + 1);
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = [outer.required, schema.required].flatMap((r) => (Array.isArray(r) ? r : []));
    const merged = { ...schema, properties: { ...shared, ...properties }, required };
    return this.field("", merged, true, depth + 1);
  }

  private optionsOf(schema: JsonObject): Json[] | undefined {
    const options = Array.isArray(schema.oneOf) ? schema.oneOf : schema.anyOf;
    if (!Array.isArray(options)) return undefined;
    const real = options.filter((option) => typeOf(this.resolved(option)) !== "null");
    return real.length > 0 && real.every(isObject) ? real : undefined;
  }

  /** Follows `$ref` into this document and joins `allOf`. */
  private resolved(raw: Json | undefined): JsonObject {
    let schema: JsonObject = isObject(raw) ? raw : {};
    for (let hops = 0; typeof schema.$ref === "string" && hops < 20; hops += 1) {
      const { $ref, ...beside } = schema;
      const target = this.target($ref);
      schema = { ...target, ...beside };
    }
    if (Array.isArray(schema.allOf)) {
      const { allOf, ...beside } = schema;
      const parts = allOf.map((part) => this.resolved(part));
      schema = parts.reduce<JsonObject>((sum, part) => joined(sum, part), {});
      schema = joined(schema, beside);
    }
    return schema;
  }

  private target(reference: string): JsonObject {
    if (!reference.startsWith("#")) return {};
    let found: Json | undefined = this.root;
    for (const step of reference.slice(1).split("/").filter(Boolean)) {
      const name = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
      found = isObject(found) ? found[name] : undefined;
    }
    return isObject(found) ? found : {};
  }
}

function joined(one: JsonObject, other: JsonObject): JsonObject {
  const sum: JsonObject = { ...one, ...other };
  if (isObject(one.properties) && isObject(other.properties))
    sum.properties = { ...one.properties, ...other.properties };
  if (Array.isArray(one.required) && Array.isArray(other.required))
    sum.required = [...one.required, ...other.required];
  return sum;
}

/** Fields with an `order` come first, in it; the others stay as the author wrote them. */
function ordered(fields: Field[]): Field[] {
  const place = (field: Field) => field.order ?? Number.POSITIVE_INFINITY;
  return fields
    .map((field, index) => ({ field, index }))
    .sort((a, b) => {
      const [one, other] = [place(a.field), place(b.field)];
      return one === other ? a.index - b.index : one - other;
    })
    .map(({ field }) => field);
}

function commonOf(name: string, schema: JsonObject, isRequired: boolean): Common {
  return {
    name,
    title: textOf(schema.title) ?? titleOf(name),
    description: textOf(schema.description) ?? "",
    isRequired,
    isHidden: schema.airbyte_hidden === true,
    isAlwaysShown: schema.always_show === true,
    order: numberOf(schema.order),
    default: schema.default === null ? undefined : schema.default,
  };
}

function textField(common: Common, schema: JsonObject): TextField {
  const isSecret = schema.airbyte_secret === true || schema.writeOnly === true;
  const format =
    schema.format === "date" || schema.format === "date-time" ? schema.format : "plain";
  return {
    ...common,
    kind: "text",
    isSecret,
    isMultiline: schema.multiline === true,
    format,
    pattern: textOf(schema.pattern),
    patternHint: textOf(schema.pattern_descriptor) ?? undefined,
    minLength: numberOf(schema.minLength),
    maxLength: numberOf(schema.maxLength),
    example: exampleOf(schema),
  };
}

function typeOf(schema: JsonObject): string | undefined {
  if (typeof schema.type === "string") return schema.type;
  if (!Array.isArray(schema.type)) return undefined;
  const types = schema.type.filter((type): type is string => type !== "null");
  return types.length === 1 ? types[0] : undefined;
}

function exampleOf(schema: JsonObject): string | undefined {
  const first = Array.isArray(schema.examples) ? schema.examples[0] : schema.examples;
  if (typeof first === "string") return first;
  return typeof first === "number" ? String(first) : undefined;
}

function titleOf(name: string): string {
  const words = name.replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: Json | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
