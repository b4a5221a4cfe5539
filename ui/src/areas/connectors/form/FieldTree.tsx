// Draws any field: leaves by their input, groups, lists and choices around them.

import {
  ActionIcon,
  Box,
  Button,
  Collapse,
  Fieldset,
  Group,
  Paper,
  Select,
  Stack,
  Text,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight, IconPlus, IconTrash } from "@tabler/icons-react";
import { memo, useDeferredValue, useState } from "react";

import { RichText } from "../../../parts/RichText";
import {
  chosenOption,
  initialValue,
  switchedValue,
  type ChoiceField,
  type Field,
  type ListField,
} from "./fields";
import {
  BooleanInputField,
  isListOfWords,
  JsonInputField,
  NumberInputField,
  SelectInputField,
  TextInputField,
  WordsInputField,
  type Props,
} from "./inputs";
import { isObject, shown, type Json, type Path } from "./json";
import { useField, useFormStore, useHasProblem } from "./store";
import { words } from "./words";

export const FieldTree = memo(function FieldTree({ field, path }: Props<Field>) {
  if (field.isHidden) return null;
  switch (field.kind) {
    case "text":
      return <TextInputField field={field} path={path} />;
    case "number":
      return <NumberInputField field={field} path={path} />;
    case "boolean":
      return <BooleanInputField field={field} path={path} />;
    case "select":
      return <SelectInputField field={field} path={path} />;
    case "json":
      return <JsonInputField field={field} path={path} />;
    case "const":
      return null;
    case "list":
      return isListOfWords(field) ? (
        <WordsInputField field={field} path={path} />
      ) : (
        <ListOfGroups field={field} path={path} />
      );
    case "choice":
      return <Choice field={field} path={path} />;
    case "group":
      return (
        <Fieldset legend={field.title} variant="default">
          {field.description && (
            <Text size="sm" c="dimmed" mb="sm">
              <RichText text={field.description} />
            </Text>
          )}
          <Fields fields={field.fields} path={path} />
        </Fieldset>
      );
  }
});

/** The fields of one group: what is needed first, the rest behind a button. */
export function Fields({ fields, path }: { fields: readonly Field[]; path: Path }) {
  const drawn = fields.filter((field) => !field.isHidden && field.kind !== "const");
  const first = drawn.filter((field) => field.isRequired || field.isAlwaysShown);
  const rest = drawn.filter((field) => !first.includes(field));
  // Few optional fields are less work to read than to look for.
  if (rest.length <= 2) return <Several fields={drawn} path={path} />;
  return (
    <Stack>
      <Several fields={first} path={path} />
      <Optional fields={rest} path={path} />
    </Stack>
  );
}

/** So many fields fill any screen; those below them are drawn when these are seen. */
const SEEN_FIRST = 40;

function Several({ fields, path }: { fields: readonly Field[]; path: Path }) {
  const drawn = useDeferredValue(fields.length, SEEN_FIRST);
  return (
    <Stack>
      {fields.slice(0, drawn).map((field) => (
        <Placed key={field.name} field={field} parent={path} />
      ))}
    </Stack>
  );
}

/** Keeps the path the same object, so that a field is drawn anew only for its own sake. */
const Placed = memo(
  function Placed({ field, parent }: { field: Field; parent: Path }) {
    const [path] = useState(() => [...parent, field.name]);
    return <FieldTree field={field} path={path} />;
  },
  (before, after) => before.field === after.field,
);

function Optional({ fields, path }: { fields: readonly Field[]; path: Path }) {
  const store = useFormStore();
  const [isOpen, { toggle }] = useDisclosure(false);
  const names = fields.map((field) => field.name);
  const hasProblem = useHasProblem(path, names);
  const isShown = isOpen || hasProblem;
  const [wasShown, setShown] = useState(isShown);
  if (isShown && !wasShown) setShown(true);
  const given = fields.filter((field) => isGiven(store.value, [...path, field.name], field));
  return (
    <div>
      <Button
        variant="subtle"
        size="compact-sm"
        leftSection={isShown ? <IconChevronDown size={16} /> : <IconChevronRight size={16} />}
        aria-expanded={isShown}
        onClick={toggle}
      >
        {words.optional(fields.length, given.length)}
      </Button>
      {wasShown && (
        <Collapse expanded={isShown}>
          <Stack mt="sm">
            <Several fields={fields} path={path} />
          </Stack>
        </Collapse>
      )}
    </div>
  );
}

function isGiven(value: Json | undefined, path: Path, field: Field): boolean {
  let found: Json | undefined = value;
  for (const step of path) found = isObject(found) ? found[String(step)] : undefined;
  return found !== undefined && JSON.stringify(found) !== JSON.stringify(field.default);
}

function Choice({ field, path }: Props<ChoiceField>) {
  const { value, problem, set } = useField(path);
  const found = chosenOption(field, value);
  // Options that look alike cannot be told apart by their value alone; the hand that chose can.
  const [picked, setPicked] = useState(found);
  const index = picked >= 0 && value !== undefined && found < 0 ? picked : found;
  const chosen = field.options[index];
  const choose = (text: string | null) => {
    const next = text === null ? undefined : field.options[Number(text)];
    setPicked(text === null ? -1 : Number(text));
    set(next && switchedValue(chosen, next, value));
  };
  return (
    <Stack gap="xs">
      <Select
        label={field.title}
        description={field.description ? <RichText text={field.description} /> : undefined}
        withAsterisk={field.isRequired}
        error={problem}
        data={field.options.map((option, at) => ({
          value: String(at),
          label: optionTitle(option, at),
        }))}
        value={index < 0 ? null : String(index)}
        clearable={!field.isRequired}
        allowDeselect={false}
        placeholder={words.chooseOne}
        onChange={choose}
      />
      {chosen && <Chosen key={index} option={chosen} path={path} />}
    </Stack>
  );
}

function Chosen({ option, path }: { option: Field; path: Path }) {
  if (option.kind === "const") return null;
  if (option.kind !== "group") return <FieldTree field={{ ...option, title: "" }} path={path} />;
  if (option.fields.every((field) => field.kind === "const" || field.isHidden))
    return option.description ? (
      <Text size="sm" c="dimmed">
        <RichText text={option.description} />
      </Text>
    ) : null;
  return (
    <Paper withBorder p="md">
      {option.description && (
        <Text size="sm" c="dimmed" mb="sm">
          <RichText text={option.description} />
        </Text>
      )}
      <Fields fields={option.fields} path={path} />
    </Paper>
  );
}

function optionTitle(option: Field, at: number): string {
  if (option.title) return option.title;
  if (option.kind === "const") return shown(option.value);
  const constant = option.kind === "group" && option.fields.find((field) => field.kind === "const");
  return constant ? shown(constant.value) : words.option(at + 1);
}

function ListOfGroups({ field, path }: Props<ListField>) {
  const { value, problem, set } = useField(path);
  const items = Array.isArray(value) ? value : [];
  // A key an item, kept when items before it are removed.
  const [keys, setKeys] = useState<number[]>(() => items.map((_, index) => index));
  const known = items.map((_, index) => keys[index] ?? -1 - index);
  const add = () => {
    setKeys([...known, Math.max(-1, ...known) + 1]);
    set([...items, initialValue(field.item) ?? ""]);
  };
  const remove = (index: number) => {
    setKeys(known.filter((_, at) => at !== index));
    const left = items.filter((_, at) => at !== index);
    set(left.length === 0 && !field.isRequired ? undefined : left);
  };
  return (
    <Fieldset legend={field.title}>
      <Stack>
        {field.description && (
          <Text size="sm" c="dimmed">
            <RichText text={field.description} />
          </Text>
        )}
        {items.map((_, index) => {
          const bin = (
            <ActionIcon
              variant="subtle"
              color="red"
              aria-label={words.remove(field.title, index + 1)}
              onClick={() => remove(index)}
            >
              <IconTrash size={16} />
            </ActionIcon>
          );
          const item = (
            <ListItem
              key={`${known[index] ?? index}-${index}`}
              field={field.item}
              path={path}
              index={index}
            />
          );
          // A box of its own around one text would only take its room.
          return field.item.kind === "text" ? (
            <Group key={known[index]} wrap="nowrap" align="start" gap="xs">
              <Box flex={1}>{item}</Box>
              {bin}
            </Group>
          ) : (
            <Paper key={known[index]} withBorder p="md">
              <Group justify="space-between" mb="xs">
                <Text size="sm" fw={600}>
                  {index + 1}
                </Text>
                {bin}
              </Group>
              {item}
            </Paper>
          );
        })}
        {problem && (
          <Text size="sm" c="red">
            {problem}
          </Text>
        )}
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} />}
          onClick={add}
          style={{ alignSelf: "start" }}
        >
          {words.add}
        </Button>
      </Stack>
    </Fieldset>
  );
}

function ListItem({ field, path, index }: { field: Field; path: Path; index: number }) {
  const [here] = useState(() => [...path, index]);
  if (field.kind === "group") return <Fields fields={field.fields} path={here} />;
  return <FieldTree field={{ ...field, title: field.title || words.value }} path={here} />;
}
