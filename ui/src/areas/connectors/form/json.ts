// JSON values and the places in them, changed by making new values.

export type Json = string | number | boolean | null | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}
export type Path = readonly (string | number)[];

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the value at a place; undefined where there is none. */
export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let found = value;
  for (const step of path) {
    if (Array.isArray(found) && typeof step === "number") found = found[step];
    else if (isObject(found) && Object.hasOwn(found, String(step))) found = found[String(step)];
    else return undefined;
  }
  return found;
}

/**
 * Returns the value with another one at a place; undefined takes the name out of its object.
 * Everything beside the path is the same object as before, and so is the order of names.
 */
export function withValueAt(value: Json | undefined, path: Path, next: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return next ?? null;
  if (typeof step === "number") {
    const items = Array.isArray(value) ? [...value] : [];
    items[step] = withValueAt(items[step], rest, next);
    return items;
  }
  const object: JsonObject = isObject(value) ? { ...value } : {};
  if (rest.length === 0 && next === undefined) {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- of our own copy
    delete object[step];
    return object;
  }
  const inner = Object.hasOwn(object, step) ? object[step] : undefined;
  // A name like __proto__ would otherwise set the prototype.
  Object.defineProperty(object, step, {
    value: withValueAt(inner, rest, next),
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return object;
}

/** Returns a place as a JSON pointer (RFC 6901), the form in which the server names places. */
export function pointer(path: Path): string {
  return path
    .map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

/** Returns a value as a person reads it: text as it is, anything else as JSON. */
export function shown(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function isEqual(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((item, at) => isEqual(item, other[at]));
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isEqual(one[name], other[name]))
  );
}
