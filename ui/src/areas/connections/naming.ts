// Where tables go and what they are called: as the form holds it, as the API takes it.

import type { Connection, ConnectionChange } from "./calls";

export interface Naming {
  rule: Connection["namespace_rule"];
  format: string;
  prefix: string;
  form: "typed" | "raw";
}

export const PLAIN: Naming = { rule: "destination", format: "", prefix: "", form: "typed" };

export function namingOf(connection: Connection): Naming {
  return {
    rule: connection.namespace_rule,
    format: connection.namespace_format ?? "",
    prefix: connection.prefix,
    form: connection.settings.normalisation === "raw" ? "raw" : "typed",
  };
}

/** Returns the form as the API takes it; settings the form does not know stay. */
export function asFields(
  naming: Naming,
  settings: Connection["settings"],
): Pick<ConnectionChange, "namespace_rule" | "namespace_format" | "prefix" | "settings"> {
  return {
    namespace_rule: naming.rule,
    namespace_format: naming.rule === "custom_format" ? naming.format : null,
    prefix: naming.prefix,
    settings: { ...settings, normalisation: naming.form },
  };
}
