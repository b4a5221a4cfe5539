// One input a kind of field; each knows its own place in the form's value.

import {
  Anchor,
  Button,
  Checkbox,
  JsonInput,
  MultiSelect,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  TagsInput,
  Textarea,
  TextInput,
} from "@mantine/core";
import { DateInput, DateTimePicker } from "@mantine/dates";
import { memo, useState } from "react";

import { RichText } from "../../../parts/RichText";
import { MASK } from "./mask";
import type {
  BooleanField,
  Field,
  JsonField,
  ListField,
  NumberField,
  SelectField,
  TextField,
} from "./fields";
import { isEqual, shown, type Json, type Path } from "./json";
import { useField, useProblemWithin } from "./store";
import { words } from "./words";

function named(field: Field) {
  return {
    label: field.title || undefined,
    description: field.description ? <RichText text={field.description} /> : undefined,
  };
}

function labels(field: Field) {
  return {
    ...named(field),
    withAsterisk: field.isRequired,
  };
}

/** An empty box of an optional field means that the setting is not given. */
function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

export const TextInputField = memo(function TextInputField({ field, path }: Props<TextField>) {
  const { value, problem, set } = useField(path);
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  const shared = { ...labels(field), error: problem, placeholder: field.example };
  if (field.isSecret) return <SecretInput {...{ field, path }} />;
  if (field.isMultiline)
    return (
      <Textarea
        {...shared}
        autosize
        minRows={3}
        maxRows={14}
        value={text}
        onChange={(event) => set(given(event.currentTarget.value))}
      />
    );
  if (field.format === "date" && isDay(text))
    return (
      <DateInput
        {...shared}
        valueFormat="YYYY-MM-DD"
        clearable
        value={text === "" ? null : text}
        onChange={(day) => set(day ?? undefined)}
      />
    );
  if (field.format === "date-time" && isWholeSecond(text))
    return (
      <DateTimePicker
        {...shared}
        valueFormat="YYYY-MM-DD HH:mm:ss [UTC]"
        withSeconds
        clearable
        value={text === "" ? null : text.replace("T", " ").replace("Z", "")}
        onChange={(moment) => set(moment ? `${moment.replace(" ", "T")}Z` : undefined)}
      />
    );
  return (
    <TextInput
      {...shared}
      value={text}
      onChange={(event) => set(given(event.currentTarget.value))}
    />
  );
});

/** Other ways to write a date are kept as they are and edited as text. */
function isDay(text: string): boolean {
  return text === "" || /^\d{4}-\d{2}-\d{2}$/.test(text);
}

function isWholeSecond(text: string): boolean {
  return text === "" || /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text);
}

function SecretInput({ field, path }: Props<TextField>) {
  const { value, problem, set } = useField(path);
  const shared = { ...labels(field), error: problem, autoComplete: "off" };
  if (value === MASK)
    return (
      <TextInput
        {...shared}
        value={words.secretKept}
        readOnly
        rightSectionWidth={90}
        rightSection={
          <Button variant="subtle" size="compact-sm" onClick={() => set(undefined)}>
            {words.secretChange}
          </Button>
        }
      />
    );
  const text = typeof value === "string" ? value : "";
  if (field.isMultiline || text.includes("\n"))
    return (
      <Textarea
        {...shared}
        autosize
        minRows={4}
        maxRows={10}
        spellCheck={false}
        value={text}
        onChange={(event) => set(given(event.currentTarget.value))}
      />
    );
  return (
    <PasswordInput
      {...shared}
      autoComplete="new-password"
      value={text}
      onChange={(event) => set(given(event.currentTarget.value))}
    />
  );
}

export const NumberInputField = memo(function NumberInputField({
  field,
  path,
}: Props<NumberField>) {
  const { value, problem, set } = useField(path);
  return (
    <NumberInput
      {...labels(field)}
      error={problem}
      placeholder={field.example ?? (field.default === undefined ? "" : shown(field.default))}
      allowDecimal={!field.isInteger}
      min={field.minimum}
      max={field.maximum}
      clampBehavior="none"
      value={typeof value === "number" || typeof value === "string" ? value : ""}
      // A number half written, such as "-", comes as text and stays so until it is one.
      onChange={(next) => set(next === "" ? undefined : next)}
    />
  );
});

export const BooleanInputField = memo(function BooleanInputField({
  field,
  path,
}: Props<BooleanField>) {
  const { value, problem, set } = useField(path);
  return (
    <Checkbox
      {...named(field)}
      error={problem}
      checked={value === undefined ? field.default === true : value === true}
      onChange={(event) => set(event.currentTarget.checked)}
    />
  );
});

export const SelectInputField = memo(function SelectInputField({
  field,
  path,
}: Props<SelectField>) {
  const { value, problem, set } = useField(path);
  // A Select's values are texts; the number of an option stands for its JSON value.
  const chosen = field.options.findIndex((option) => isEqual(option, value));
  return (
    <Select
      {...labels(field)}
      error={problem ?? (value !== undefined && chosen < 0 ? words.noChoice : null)}
      data={field.options.map((option, index) => ({ value: String(index), label: shown(option) }))}
      value={chosen < 0 ? null : String(chosen)}
      placeholder={field.default === undefined ? undefined : shown(field.default)}
      clearable={!field.isRequired}
      searchable={field.options.length > 8}
      onChange={(index) => set(index === null ? undefined : field.options[Number(index)])}
    />
  );
});

/** A list of texts or of choices, in one box. */
export const WordsInputField = memo(function WordsInputField({ field, path }: Props<ListField>) {
  const { value, set } = useField(path);
  const problem = useProblemWithin(path);
  const given = Array.isArray(value) ? value.map(shown) : [];
  const shared = { ...labels(field), error: problem, value: given, clearable: true };
  const keep = (next: string[]) => set(next.length === 0 && !field.isRequired ? undefined : next);
  if (field.item.kind === "select")
    return (
      <MultiSelect {...shared} data={field.item.options.map(shown)} searchable onChange={keep} />
    );
  return (
    <TagsInput
      {...shared}
      placeholder={given.length === 0 ? words.writeOne : undefined}
      splitChars={["\n"]}
      acceptValueOnBlur
      onChange={keep}
    />
  );
});

export function isListOfWords(field: ListField): boolean {
  if (field.item.kind === "text") return !field.item.isSecret && !field.item.isMultiline;
  return (
    field.item.kind === "select" && field.item.options.every((option) => typeof option === "string")
  );
}

/** Any JSON; what cannot be read yet stays in the box and is said below it. */
export const JsonInputField = memo(function JsonInputField({ field, path }: Props<JsonField>) {
  const { value, problem, set } = useField(path);
  const [text, setText] = useState(() =>
    value === undefined ? "" : JSON.stringify(value, null, 2),
  );
  const [isUnreadable, setUnreadable] = useState(false);
  const read = (next: string) => {
    setText(next);
    try {
      set(next.trim() === "" ? undefined : (JSON.parse(next) as Json));
      setUnreadable(false);
    } catch {
      setUnreadable(true);
    }
  };
  return (
    <Stack gap={4}>
      <JsonInput
        {...labels(field)}
        error={isUnreadable ? words.noJson : problem}
        autosize
        minRows={2}
        maxRows={14}
        value={text}
        onChange={read}
      />
      {isUnreadable && (
        <Anchor component="button" type="button" size="xs" onClick={() => read("")}>
          {words.emptyBox}
        </Anchor>
      )}
    </Stack>
  );
});

export interface Props<F extends Field> {
  field: F;
  path: Path;
}
