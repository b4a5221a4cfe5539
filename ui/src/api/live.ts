// Server-sent events for a page in sight: reconnects by itself, and rests while nobody looks.

import { root } from "./client";

const AGAIN_MS = 2_000;

/**
 * Listens until it is stopped. A browser has six connections to a server for all of its tabs, so
 * a hidden tab holds none; `onBack` says that something may have been missed.
 */
export function listen(options: {
  /** Asked at each connection, so that it can begin where the last one ended. */
  path: () => string;
  on: Record<string, (data: string, id: string) => void>;
  onBack?: () => void;
  /** The server refuses: the session may have ended. */
  onRefused?: () => void;
}): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  let hasBegun = false;

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  const open = () => {
    close();
    if (isOver || document.visibilityState === "hidden") return;
    const opened = new EventSource(root + options.path(), { withCredentials: true });
    source = opened;
    opened.onopen = () => {
      if (hasBegun) options.onBack?.();
      hasBegun = true;
    };
    opened.onerror = () => {
      // A browser tries again after a lost connection, but never after an answer that is an error.
      if (opened.readyState !== EventSource.CLOSED) return;
      options.onRefused?.();
      timer = setTimeout(open, AGAIN_MS);
    };
    for (const [name, handle] of Object.entries(options.on))
      opened.addEventListener(name, (event: MessageEvent<string>) =>
        handle(event.data, event.lastEventId),
      );
    opened.addEventListener("end", () => {
      isOver = true;
      close();
    });
  };
  const turned = () => (document.visibilityState === "hidden" ? close() : open());
  document.addEventListener("visibilitychange", turned);
  open();
  return () => {
    isOver = true;
    document.removeEventListener("visibilitychange", turned);
    close();
  };
}
