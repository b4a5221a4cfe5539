// The value of a form while it is edited: each field listens to its own place only, so that
// typing into one of two hundred fields draws one field anew.

import { createContext, useCallback, useContext, useSyncExternalStore } from "react";

import { pointer, valueAt, withValueAt, type Json, type Path } from "./json";
import { NO_PROBLEMS, type Problems } from "./problems";

export class FormStore {
  private readonly listeners = new Set<() => void>();
  problems: Problems = NO_PROBLEMS;

  constructor(public value: Json | undefined) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  set(path: Path, next: Json | undefined): void {
    this.value = withValueAt(this.value, path, next);
    // What was wrong here, or inside, was said of another value.
    const here = pointer(path);
    const left = [...this.problems].filter(([at]) => at !== here && !at.startsWith(`${here}/`));
    if (left.length !== this.problems.size) this.problems = new Map(left);
    this.tell();
  }

  show(problems: Problems): void {
    this.problems = problems;
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

export const FormContext = createContext<FormStore | undefined>(undefined);

export function useFormStore(): FormStore {
  const store = useContext(FormContext);
  if (store === undefined) throw new Error("A field is drawn outside of a form.");
  return store;
}

/** The value of one place and the way to change it. */
export function useField(path: Path): {
  value: Json | undefined;
  problem: string | undefined;
  set: (next: Json | undefined) => void;
} {
  const store = useFormStore();
  const here = pointer(path);
  const value = useSyncExternalStore(store.subscribe, () => valueAt(store.value, path));
  const problem = useSyncExternalStore(store.subscribe, () => store.problems.get(here));
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the pointer stands for the path
  const set = useCallback((next: Json | undefined) => store.set(path, next), [store, here]);
  return { value, problem, set };
}

/** What is wrong at or below a place whose parts are drawn as one. */
export function useProblemWithin(path: Path): string | undefined {
  const store = useFormStore();
  const here = pointer(path);
  return useSyncExternalStore(store.subscribe, () => {
    const found = [...store.problems].find(([at]) => at === here || at.startsWith(`${here}/`));
    return found?.[1];
  });
}

/** True while some field at or below this place has a problem. */
export function useHasProblem(path: Path, names: readonly string[]): boolean {
  const store = useFormStore();
  const places = names.map((name) => pointer([...path, name]));
  return useSyncExternalStore(store.subscribe, () =>
    [...store.problems.keys()].some((at) =>
      places.some((place) => at === place || at.startsWith(`${place}/`)),
    ),
  );
}
