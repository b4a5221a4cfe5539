// Whatever a connector's specification is like, its form gives back the configuration it was given.

import { MantineProvider } from "@mantine/core";
import { cleanup, render } from "@testing-library/react";
import { createRef } from "react";
import { describe, expect, it } from "vitest";

import { ConnectorForm, type ConnectorFormHandle } from "./ConnectorForm";
import type { Json, JsonObject } from "./json";
import { MASK } from "./mask";

/** Numbers that are the same each time (mulberry32): a case that fails can be looked at again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Next = ReturnType<typeof numbers>;
type Made = [schema: JsonObject, value: Json];

const TEXTS = ["", " ", "a", "ünï", "line\nline", '"quoted"', "0", "null", "${env:X}", "/~1"];
const NAMES = ["host", "api_key", "a b", "__proto__", "constructor", "x/y", "~", "0", "type", "ß"];

function leaf(next: Next): Made {
  const text = TEXTS[next(TEXTS.length)] ?? "";
  const kinds: (() => Made)[] = [
    () => [{ type: "string" }, text],
    () => [{ type: "string", airbyte_secret: true }, next(2) === 0 ? MASK : `secret ${text}`],
    () => [{ type: "string", multiline: true }, `${text}\n${text}`],
    () => [{ type: "string", format: "date" }, "2024-02-29"],
    () => [{ type: "string", format: "date-time" }, "2024-02-29T00:00:00.123Z"],
    () => [{ type: "integer" }, next(2000) - 1000],
    () => [{ type: "number" }, (next(2000) - 1000) / 7],
    () => [{ type: "boolean", default: true }, next(2) === 0],
    () => [{ type: "string", enum: ["one", "two"] }, next(2) === 0 ? "one" : "two"],
    () => [{ type: "integer", enum: [0, 1] }, next(2)],
    () => [{ type: "array", items: { type: "string" } }, ["b", "a", "b"].slice(next(3))],
    () => [{ type: "object", additionalProperties: true }, { deep: [1, null, { x: text }] }],
    () => [{}, [text, next(9), null]],
    () => [{ const: "fixed" }, "fixed"],
    () => [{ type: "string", airbyte_hidden: true }, text],
  ];
  return kinds[next(kinds.length)]?.() ?? [{}, null];
}

function made(next: Next, depth: number): Made {
  if (depth <= 0) return leaf(next);
  switch (next(5)) {
    case 0:
      return group(next, depth);
    case 1:
      return choice(next, depth);
    case 2: {
      const [items, value] = group(next, depth - 1);
      return [{ type: "array", items }, next(2) === 0 ? [value, value] : []];
    }
    default:
      return leaf(next);
  }
}

function group(next: Next, depth: number): Made {
  const properties: JsonObject = {};
  const value: JsonObject = {};
  const required: string[] = [];
  for (let left = 1 + next(6); left > 0; left -= 1) {
    const name = NAMES[next(NAMES.length)] ?? "";
    if (Object.hasOwn(properties, name)) continue;
    const [schema, inner] = made(next, depth - 1);
    const put = (object: JsonObject, what: Json) =>
      Object.defineProperty(object, name, {
        value: what,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    put(properties, schema);
    // A setting that is not given stays so; a needed one is there, even as what means nothing.
    if (next(4) === 0 && schema.const === undefined) continue;
    put(value, inner);
    if (next(2) === 0 && inner !== "" && schema.const === undefined) required.push(name);
  }
  return [{ type: "object", properties, required }, value];
}

function choice(next: Next, depth: number): Made {
  const chosen = next(3);
  let value: Json = null;
  const options = [0, 1, 2].map((number) => {
    const [schema, inner] = group(next, depth - 1);
    const kind = { kind: { type: "string", const: `kind ${number}` } };
    if (number === chosen) value = { kind: `kind ${number}`, ...(inner as JsonObject) };
    return {
      ...schema,
      title: `Option ${number}`,
      properties: { ...kind, ...(schema.properties as JsonObject) },
    };
  });
  return [{ type: "object", oneOf: options }, value];
}

function givenBack(schema: JsonObject, saved: JsonObject): JsonObject {
  const form = createRef<ConnectorFormHandle>();
  render(
    <MantineProvider env="test">
      <ConnectorForm ref={form} schema={schema} saved={saved} />
    </MantineProvider>,
  );
  const handle = form.current;
  if (handle === null) throw new Error("no form");
  return handle.value();
}

describe("a form gives back what it was given", () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))("whatever it is like (%d)", (seed) => {
    const next = numbers(seed + 1);
    const [schema, value] = group(next, 3);
    const before = JSON.stringify(value);
    // The order of names, too: what a person wrote is not shuffled.
    expect(JSON.stringify(givenBack(schema, value as JsonObject))).toBe(before);
    cleanup();
  });
});
