// What Mantine asks a browser for and the tests' document lacks.
import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

afterEach(cleanup);

class NoResizeObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
globalThis.ResizeObserver = NoResizeObserver;

// A box that grows with its text measures again when a font has come.
Object.defineProperty(document, "fonts", { value: new EventTarget(), configurable: true });
