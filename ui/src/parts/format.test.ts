import { describe, expect, it } from "vitest";

import { ago, bytes, duration } from "./format";

describe("figures as people read them", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [999_600, "1.0 MB"],
    [123_456_789, "123 MB"],
  ])("%d bytes are %s", (value, text) => expect(bytes(value)).toBe(text));
  it.each([
    [0.42, "0.4 s"],
    [45, "45 s"],
    [60, "1 min"],
    [200, "3 min 20 s"],
    [7500, "2 h 5 min"],
  ])("%d seconds are %s", (value, text) => expect(duration(value)).toBe(text));
  it("tells moments from now", () => {
    const now = Date.parse("2026-01-01T12:00:00Z");
    expect(ago("2026-01-01T11:57:00Z", now)).toBe("3 minutes ago");
    expect(ago("2026-01-01T14:00:00Z", now)).toBe("in 2 hours");
  });
});
