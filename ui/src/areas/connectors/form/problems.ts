// What is wrong with a configuration, each problem at its field; the server has the last word.

import { chosenOption, type Field } from "./fields";
import { isObject, pointer, type Json, type Path } from "./json";
import { words as all } from "./words";

const words = all.problems;

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
      say(words.needed);
    if (field.kind !== "group" || !field.isRequired) return;
  }
  switch (field.kind) {
    case "text":
      if (typeof value !== "string") say(words.text);
      else if (field.pattern !== undefined && !matches(field.pattern, value))
        say(field.patternHint ? words.like(field.patternHint) : words.match(field.pattern));
      else if (field.minLength !== undefined && value.length < field.minLength)
        say(words.longer(field.minLength));
      else if (field.maxLength !== undefined && value.length > field.maxLength)
        say(words.shorter(field.maxLength));
      return;
    case "number":
      if (typeof value !== "number") say(words.number);
      else if (field.isInteger && !Number.isInteger(value)) say(words.whole);
      else if (field.minimum !== undefined && value < field.minimum)
        say(words.least(field.minimum));
      else if (field.maximum !== undefined && value > field.maximum) say(words.most(field.maximum));
      return;
    case "boolean":
      if (typeof value !== "boolean") say(words.yesOrNo);
      return;
    case "list": {
      if (!Array.isArray(value)) return void say(words.list);
      if (value.length < field.minItems) say(words.more(field.minItems));
      if (field.maxItems !== undefined && value.length > field.maxItems)
        say(words.fewer(field.maxItems));
      value.forEach((item, index) => collect(field.item, item, [...path, index], found));
      return;
    }
    case "group": {
      if (value !== undefined && !isObject(value)) return void say(words.group);
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
      else say(words.choose);
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
