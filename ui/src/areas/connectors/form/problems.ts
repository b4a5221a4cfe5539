// What is wrong with a configuration, each problem at its field; the server has the last word.

import { chosenOption, type Field } from "./fields";
import { isObject, pointer, type Json, type Path } from "./json";

/** Problems by the JSON pointer of their field. */
export type Problems = ReadonlyMap<string, string>;

export const NO_PROBLEMS: Problems = new Map();

export function problemsOf(field: Field, value: Json | undefined): Problems {
  const found = new Map<string, string>();
  collect(field, value, [], found);
  return found;
}

function collect(field: Field, value: Json | undefined, path: Path, found: Map<string, string>) {
  const say = (problem: string) => found.set(pointer(path), problem);
  if (isMissing(value)) {
    if (field.isRequired && !field.isHidden && field.kind !== "const" && field.kind !== "group")
      say("This is needed.");
    if (field.kind !== "group" || !field.isRequired) return;
  }
  switch (field.kind) {
    case "text":
      if (typeof value !== "string") say("This must be text.");
      else if (field.pattern !== undefined && !matches(field.pattern, value))
        say(
          field.patternHint
            ? `Write it like ${field.patternHint}.`
            : `This must match ${field.pattern}`,
        );
      else if (field.minLength !== undefined && value.length < field.minLength)
        say(`At least ${field.minLength} characters are needed.`);
      else if (field.maxLength !== undefined && value.length > field.maxLength)
        say(`At most ${field.maxLength} characters are allowed.`);
      return;
    case "number":
      if (typeof value !== "number") say("This must be a number.");
      else if (field.isInteger && !Number.isInteger(value)) say("This must be a whole number.");
      else if (field.minimum !== undefined && value < field.minimum)
        say(`This must be ${field.minimum} or more.`);
      else if (field.maximum !== undefined && value > field.maximum)
        say(`This must be ${field.maximum} or less.`);
      return;
    case "boolean":
      if (typeof value !== "boolean") say("This must be yes or no.");
      return;
    case "list": {
      if (!Array.isArray(value)) return void say("This must be a list.");
      if (value.length < field.minItems) say(`At least ${field.minItems} are needed.`);
      if (field.maxItems !== undefined && value.length > field.maxItems)
        say(`At most ${field.maxItems} are allowed.`);
      value.forEach((item, index) => collect(field.item, item, [...path, index], found));
      return;
    }
    case "group": {
      if (value !== undefined && !isObject(value))
        return void say("This must be a group of values.");
      for (const inner of field.fields)
        collect(
          inner,
          isObject(value) ? value[inner.name] : undefined,
          [...path, inner.name],
          found,
        );
      return;
    }
    case "choice": {
      const option = field.options[chosenOption(field, value)];
      if (option) collect(option, value, path, found);
      else say("Choose one.");
      return;
    }
    case "select":
    case "const":
    case "json":
      return;
  }
}

function isMissing(value: Json | undefined): boolean {
  return value === undefined || value === null || value === "";
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    // A pattern of another language's making; the server, which has that language, decides.
    return true;
  }
}
