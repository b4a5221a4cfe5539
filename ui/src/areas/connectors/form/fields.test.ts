import { describe, expect, it } from "vitest";

import {
  chosenOption,
  fieldsOfSpec,
  initialValue,
  switchedValue,
  type ChoiceField,
  type Field,
} from "./fields";
import type { JsonObject } from "./json";
import { problemsOf } from "./problems";

function fieldOf(schema: JsonObject, isRequired = false): Field {
  const spec = { type: "object", required: isRequired ? ["x"] : [], properties: { x: schema } };
  const [field] = fieldsOfSpec(spec).fields;
  if (field === undefined) throw new Error("no field");
  return field;
}

const CREDENTIALS: JsonObject = {
  type: "object",
  title: "Credentials",
  oneOf: [
    {
      title: "Token",
      required: ["auth_type", "token"],
      properties: {
        auth_type: { type: "string", const: "token" },
        token: { type: "string", airbyte_secret: true },
        region: { type: "string" },
      },
    },
    {
      title: "OAuth",
      required: ["auth_type", "client_id"],
      properties: {
        auth_type: { type: "string", enum: ["oauth"] },
        client_id: { type: "string" },
        region: { type: "string" },
      },
    },
    { title: "None", properties: { auth_type: { const: "none" } } },
  ],
};

describe("a specification read as fields", () => {
  it.each([
    [{ type: "string" }, "text"],
    [{ type: ["null", "string"] }, "text"],
    [{ type: "integer" }, "number"],
    [{ type: "boolean" }, "boolean"],
    [{ type: "string", enum: ["a", "b"] }, "select"],
    [{ type: "array", items: { type: "string" } }, "list"],
    [{ type: "array", items: { type: "object", properties: { a: {} } } }, "list"],
    [{ type: "object", properties: { a: { type: "string" } } }, "group"],
    [{ type: "object", additionalProperties: true }, "json"],
    [{}, "json"],
    [{ type: "array" }, "json"],
    [CREDENTIALS, "choice"],
    [{ anyOf: [{ type: "string" }, { type: "null" }] }, "choice"],
  ])("%j is a field of kind %s", (schema, kind) => {
    expect(fieldOf(schema).kind).toBe(kind);
  });

  it("puts fields with an order first and leaves the others as written", () => {
    const names = fieldsOfSpec({
      properties: { a: {}, b: { order: 1 }, c: { order: 0 }, d: {} },
    }).fields.map((field) => field.name);
    expect(names).toEqual(["c", "b", "a", "d"]);
  });

  it("follows references and joins allOf", () => {
    const [field] = fieldsOfSpec({
      definitions: { host: { type: "string", title: "Host" } },
      properties: { host: { allOf: [{ $ref: "#/definitions/host" }], default: "localhost" } },
    }).fields;
    expect(field).toMatchObject({ kind: "text", title: "Host", default: "localhost" });
  });

  it("ends on a schema that holds itself", () => {
    const spec: JsonObject = {
      definitions: { node: { properties: { next: { $ref: "#/definitions/node" } } } },
      properties: { first: { $ref: "#/definitions/node" } },
    };
    expect(fieldsOfSpec(spec).fields).toHaveLength(1);
  });

  it("begins with constants, and defaults where something is required", () => {
    const root = fieldsOfSpec({
      required: ["size", "auth"],
      properties: {
        size: { type: "integer", default: 5 },
        name: { type: "string" },
        auth: CREDENTIALS,
      },
    });
    expect(initialValue(root)).toEqual({ size: 5, auth: { auth_type: "token" } });
  });
});

describe("a choice", () => {
  const choice = fieldOf(CREDENTIALS, true) as ChoiceField;
  it.each([
    [{ auth_type: "token", token: "x" }, 0],
    [{ auth_type: "oauth", client_id: "x" }, 1],
    [{ auth_type: "none" }, 2],
    [{ client_id: "x" }, 1],
    [undefined, -1],
  ])("tells which option wrote %j", (value, index) => {
    expect(chosenOption(choice, value as JsonObject | undefined)).toBe(index);
  });
  it("keeps what two options share when changing from one to the other", () => {
    const [token, oauth] = choice.options;
    if (!token || !oauth) throw new Error("no options");
    const value = { auth_type: "token", token: "t", region: "eu" };
    expect(switchedValue(token, oauth, value)).toEqual({ auth_type: "oauth", region: "eu" });
  });
});

describe("problems of a configuration", () => {
  const root = fieldsOfSpec({
    required: ["host", "port", "auth"],
    properties: {
      host: { type: "string", pattern: "^[a-z.]+$", pattern_descriptor: "db.example.org" },
      port: { type: "integer", minimum: 1, maximum: 65535 },
      auth: CREDENTIALS,
      tables: {
        type: "array",
        items: { required: ["name"], properties: { name: { type: "string" } } },
      },
    },
  });
  it("finds every one at once, each at its place", () => {
    const value: JsonObject = {
      host: "DB",
      port: 0,
      auth: { auth_type: "token" },
      tables: [{ name: "a" }, {}],
    };
    expect(Object.fromEntries(problemsOf(root, value))).toEqual({
      "/host": "Write it like db.example.org.",
      "/port": "This must be 1 or more.",
      "/auth/token": "This is needed.",
      "/tables/1/name": "This is needed.",
    });
  });
  it("finds none in a configuration that fits, with names the schema does not know", () => {
    const value: JsonObject = {
      host: "db",
      port: 5432,
      auth: { auth_type: "oauth", client_id: "1" },
      extra: 1,
    };
    expect(problemsOf(root, value).size).toBe(0);
  });
});

describe("what a new configuration begins with", () => {
  it("has no setting that a default says is not given", () => {
    const schema = {
      type: "object",
      properties: {
        options: {
          type: "object",
          properties: {
            delimiter: { type: "string" },
            header: { type: "boolean" },
            free: { type: "object", additionalProperties: true },
          },
          default: { delimiter: null, header: false, free: { kept: null } },
        },
      },
    };
    const begun = initialValue(fieldsOfSpec(schema));
    expect(begun).toEqual({ options: { header: false, free: { kept: null } } });
  });
});
