// What a hook is made of, as a specification: its form is that of any connector.

import type { JsonObject } from "../connectors/form/json";
import { words } from "./hookWords";

const text = (title: string, description?: string): JsonObject => ({
  type: "string",
  title,
  ...(description === undefined ? {} : { description }),
});

/** Every kind has these. */
const SHARED: JsonObject = {
  id: { type: "string", airbyte_hidden: true },
  name: text(words.name, words.nameSays),
  when: {
    type: "string",
    title: words.when,
    description: words.whenSays,
    enum: ["succeeded", "failed", "always"],
    default: "succeeded",
  },
  timeout_seconds: {
    type: "number",
    title: words.timeout,
    minimum: 1,
    maximum: 21_600,
    default: 600,
  },
};

function kind(
  type: string,
  title: string,
  description: string,
  own: JsonObject,
  required: string[],
): JsonObject {
  return {
    type: "object",
    title,
    description,
    required: ["type", ...required],
    properties: { type: { type: "string", const: type }, ...own, ...SHARED },
  };
}

export const HOOKS: JsonObject = {
  type: "object",
  required: ["hooks"],
  properties: {
    hooks: {
      type: "array",
      title: words.list,
      items: {
        type: "object",
        title: words.kind,
        oneOf: [
          kind(
            "sql",
            words.sql,
            words.sqlSays,
            {
              statements: {
                type: "array",
                title: words.statements,
                minItems: 1,
                items: { type: "string", title: words.statement, multiline: true },
              },
            },
            ["statements"],
          ),
          kind(
            "webhook",
            words.webhook,
            words.webhookSays,
            {
              url: { ...text(words.url), airbyte_secret: true },
              secret: { ...text(words.secret, words.secretSays), airbyte_secret: true },
            },
            ["url"],
          ),
          kind(
            "dbt",
            words.dbt,
            words.dbtSays,
            {
              project_dir: text(words.project),
              command: {
                ...text(words.dbtCommand),
                enum: ["build", "run", "test", "seed", "snapshot", "compile"],
                default: "build",
              },
              select: text(words.select, words.selectSays),
              target: text(words.target),
              profiles_dir: text(words.profiles),
            },
            ["project_dir"],
          ),
          kind(
            "command",
            words.command,
            words.commandSays,
            { command: { ...text(words.commandLine), multiline: true } },
            ["command"],
          ),
        ],
      },
    },
  },
};
