// The one way to the server: typed by its OpenAPI document, problems thrown as such.

import createClient, { type Middleware } from "openapi-fetch";

import { RequestFailed, type Problem } from "../parts/Notice";
import { words } from "../parts/words";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

let csrfToken = "";
/** Set with the session; whatever changes something sends it back. */
export function sendToken(token: string | null | undefined): void {
  csrfToken = token ?? "";
}

let onSignedOut = () => {};
/** Says who is told when the server no longer knows who is signed in. */
export function whenSignedOut(tell: () => void): void {
  onSignedOut = tell;
}

const guard: Middleware = {
  onRequest({ request }) {
    if (csrfToken !== "") request.headers.set("x-penstock-csrf", csrfToken);
    return request;
  },
  async onResponse({ response, schemaPath }) {
    if (response.ok) return undefined;
    if (response.status === 401 && schemaPath !== "/api/v1/session") onSignedOut();
    throw new RequestFailed(await problemIn(response));
  },
};

async function problemIn(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return {
      status: response.status,
      code: body.code ?? "unknown",
      detail: body.detail ?? response.statusText,
      remedy: body.remedy ?? "",
      problems: body.problems ?? [],
    };
  } catch {
    // Something between us and the server answered.
    return {
      status: response.status,
      code: "unknown",
      detail: words.answered(response.status),
      remedy: "Try again; if it repeats, look at the server's log.",
      problems: [],
    };
  }
}

export const root =
  document.querySelector<HTMLMetaElement>("meta[name=penstock-root]")?.content ?? "";
export const api = createClient<paths>({ baseUrl: root, credentials: "same-origin" });
api.use(guard);

/** Returns what a request answered; a failed one has thrown already. */
export function found<T>(answer: { data?: T }): T {
  return answer.data as T;
}
