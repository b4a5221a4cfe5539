import { MantineProvider } from "@mantine/core";
import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createRef } from "react";
import { describe, expect, it } from "vitest";

import { ConnectorForm, type ConnectorFormHandle } from "./ConnectorForm";
import type { JsonObject } from "./json";
import { MASK } from "./mask";

function drawn(schema: JsonObject, saved?: JsonObject) {
  const form = createRef<ConnectorFormHandle>();
  render(
    <MantineProvider env="test">
      <ConnectorForm ref={form} schema={schema} saved={saved} />
    </MantineProvider>,
  );
  const handle = () => {
    if (form.current === null) throw new Error("no form");
    return form.current;
  };
  return { user: userEvent.setup(), handle };
}

const SPEC: JsonObject = {
  type: "object",
  required: ["host", "password"],
  properties: {
    host: { type: "string", title: "Host", order: 0 },
    password: { type: "string", title: "Password", airbyte_secret: true, order: 1 },
    port: { type: "integer", title: "Port", default: 5432 },
    ssl: { type: "boolean", title: "Use TLS" },
    schemas: { type: "array", title: "Schemas", items: { type: "string" } },
  },
};

describe("the form of a connector", () => {
  it("gives back a saved configuration unchanged, unknown and hidden names included", () => {
    const saved = {
      password: MASK,
      host: "db",
      unknown: { deep: [1, null, "x"] },
      schemas: [],
      port: 1,
    };
    const { handle } = drawn(SPEC, saved);
    expect(handle().submit()).toEqual(saved);
    expect(Object.keys(handle().value())).toEqual(Object.keys(saved));
  });

  it("says at the field what is missing, and submits once it is there", async () => {
    const { user, handle } = drawn(SPEC);
    act(() => expect(handle().submit()).toBeUndefined());
    expect(screen.getAllByText("This is needed.")).toHaveLength(2);
    await user.type(screen.getByLabelText(/Host/), "db");
    await user.type(screen.getByLabelText(/Password/), "secret");
    expect(screen.queryAllByText("This is needed.")).toHaveLength(0);
    expect(handle().submit()).toEqual({ host: "db", password: "secret", port: 5432 });
  });

  it("never shows a saved secret, and lets another one be given", async () => {
    const { user, handle } = drawn(SPEC, { host: "db", password: MASK });
    expect(screen.queryByDisplayValue(MASK)).toBeNull();
    await user.click(screen.getByRole("button", { name: "Change" }));
    await user.type(screen.getByLabelText(/Password/), "new");
    expect(handle().submit()).toEqual({ host: "db", password: "new" });
  });

  it("says what is wrong with one word of a list at the list", () => {
    const { handle } = drawn(SPEC, { host: "db", password: "secret", schemas: ["public", ""] });
    act(() => expect(handle().submit()).toBeUndefined());
    expect(screen.getAllByText("This is needed.")).toHaveLength(1);
  });

  it("shows a problem found by the server at its field, also inside optional settings", () => {
    const { handle } = drawn(SPEC, { host: "db", password: MASK });
    act(() => handle().show(new Map([["/port", "Nothing answers at this port."]])));
    expect(screen.getByText("Nothing answers at this port.")).toBeTruthy();
  });

  it("draws links of a description and none of its scripts", () => {
    drawn({
      properties: {
        a: {
          type: "string",
          description:
            'See <a href="https://x.org">the page</a><script>alert(1)</script><a href="javascript:alert(1)">bad</a>',
        },
      },
    });
    expect(screen.getByRole("link", { name: "the page" }).getAttribute("href")).toBe(
      "https://x.org",
    );
    expect(screen.queryByRole("link", { name: "bad" })).toBeNull();
    expect(document.body.innerHTML).not.toContain("alert(1)</script>");
  });

  it("adds and removes entries of a list of groups", async () => {
    const { user, handle } = drawn({
      required: ["tables"],
      properties: {
        tables: {
          type: "array",
          title: "Tables",
          items: {
            type: "object",
            required: ["name"],
            properties: { name: { type: "string", title: "Name" } },
          },
        },
      },
    });
    await user.click(screen.getByRole("button", { name: "Add" }));
    await user.click(screen.getByRole("button", { name: "Add" }));
    const [first, second] = screen.getAllByLabelText(/Name/);
    if (!first || !second) throw new Error("two entries expected");
    await user.type(first, "a");
    await user.type(second, "b");
    await user.click(screen.getByRole("button", { name: "Remove Tables 1" }));
    expect(handle().submit()).toEqual({ tables: [{ name: "b" }] });
    expect(screen.getByDisplayValue("b")).toBeTruthy();
  });
});
