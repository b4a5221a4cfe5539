// What a page shows, kept in its address, so that a link to it shows the same.

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

/** Returns one part of the address behind `?`, and what changes it; undefined takes it out. */
export function useAddress(
  name: string,
): [string | undefined, (value: string | undefined) => void] {
  const found: unknown = useSearch({
    strict: false,
    select: (search) => (search as Record<string, unknown>)[name],
  });
  const navigate = useNavigate();
  const set = useCallback(
    (value: string | undefined) =>
      void navigate({
        to: ".",
        search: ((before: Record<string, unknown>) => ({
          ...before,
          [name]: written(value),
        })) as never,
        replace: true,
        resetScroll: false,
      }),
    [navigate, name],
  );
  // The router reads what looks like a number or JSON as such.
  const value = found === undefined || typeof found === "string" ? found : JSON.stringify(found);
  return [value, set];
}

/** Returns a number for what looks like one: the router puts other such texts in quotes. */
function written(value: string | undefined): string | number | undefined {
  return value !== undefined && String(Number(value)) === value ? Number(value) : value;
}
