// The one form for the settings of any connector, made from its specification.

import { Alert, Stack } from "@mantine/core";
import { forwardRef, useImperativeHandle, useMemo, useRef, useState } from "react";

import { Fields } from "./FieldTree";
import { fieldsOfSpec, initialValue } from "./fields";
import { pointer, valueAt, type Json, type JsonObject, type Path } from "./json";
import { problemsOf, type Problems } from "./problems";
import { FormContext, FormStore } from "./store";
import { words } from "./words";

export interface ConnectorFormHandle {
  /** Returns the configuration; undefined, with each problem shown at its field, when it is not ready. */
  submit: () => JsonObject | undefined;
  /** Returns the configuration as it stands. */
  value: () => JsonObject;
  /** Shows problems that the server or the connector found, by JSON pointer. */
  show: (problems: Problems) => void;
}

interface Props {
  /** The `connectionSpecification` of the connector. */
  schema: JsonObject;
  /** The configuration saved, its secrets masked; without it a new one begins. */
  saved?: JsonObject;
}

export const ConnectorForm = forwardRef<ConnectorFormHandle, Props>(function ConnectorForm(
  { schema, saved },
  ref,
) {
  const root = useMemo(() => fieldsOfSpec(schema), [schema]);
  const [store] = useState(() => new FormStore(saved ?? initialValue(root)));
  const [elsewhere, setElsewhere] = useState<string[]>([]);
  const place = useRef<HTMLDivElement>(null);

  const show = (problems: Problems) => {
    store.show(problems);
    // A problem whose field is not drawn must be read somewhere.
    const known = (at: string) => at !== "" && isDrawn(at, store.value);
    setElsewhere(
      [...problems].filter(([at]) => !known(at)).map(([at, problem]) => `${at} ${problem}`),
    );
    if (problems.size > 0)
      requestAnimationFrame(() => {
        const first = place.current?.querySelector<HTMLElement>(
          "[aria-invalid=true], [data-error]",
        );
        first?.scrollIntoView({ block: "center" });
        first?.focus();
      });
  };

  useImperativeHandle(ref, () => ({
    submit: () => {
      const problems = problemsOf(root, store.value);
      show(problems);
      return problems.size === 0 ? (store.value as JsonObject) : undefined;
    },
    value: () => store.value as JsonObject,
    show,
  }));

  return (
    <FormContext.Provider value={store}>
      <Stack ref={place}>
        {elsewhere.length > 0 && (
          <Alert color="red" title={words.doNotFit}>
            {elsewhere.map((problem) => (
              <div key={problem}>{problem}</div>
            ))}
          </Alert>
        )}
        <Fields fields={root.fields} path={ROOT} />
      </Stack>
    </FormContext.Provider>
  );
});

const ROOT: Path = [];

function isDrawn(at: string, value: Json | undefined): boolean {
  const steps = at.slice(1).split("/");
  const parent = steps.slice(0, -1).map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  return pointer(parent) === "" || valueAt(value, parent) !== undefined;
}
