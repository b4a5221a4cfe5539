// The settings of one mapping.

import {
  Autocomplete,
  Code,
  NativeSelect,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Textarea,
} from "@mantine/core";

import { askedOf, type Asked, type Held } from "./mappers";
import { words } from "./words";

const SHOWN_OPTIONS = 100;

export function MapperForm(props: { held: Held; fields: string[]; onHeld: (held: Held) => void }) {
  const { held, fields, onHeld } = props;
  if (held.kept)
    return (
      <Stack gap="xs">
        <Text size="sm">{words.mappings.unreadable}</Text>
        <Code block>{JSON.stringify(held.kept, undefined, 2)}</Code>
      </Stack>
    );
  const set = (name: string, value: string) =>
    onHeld({ ...held, config: { ...held.config, [name]: value } });
  return (
    <SimpleGrid cols={{ base: 1, sm: 2, md: 3 }}>
      {askedOf(held).map((asked) => (
        <One
          key={asked.name}
          asked={asked}
          fields={fields}
          value={held.config[asked.name] ?? ""}
          onValue={(value) => set(asked.name, value)}
        />
      ))}
    </SimpleGrid>
  );
}

function One(props: {
  asked: Asked;
  fields: string[];
  value: string;
  onValue: (value: string) => void;
}) {
  const { asked, fields, value, onValue } = props;
  const words = { label: asked.label, description: asked.says, required: !asked.isOptional };
  if (asked.options)
    return (
      <NativeSelect
        {...words}
        data={[...asked.options]}
        value={value}
        onChange={(event) => onValue(event.currentTarget.value)}
      />
    );
  // A field that an earlier mapping makes is not in the source's list, so any may be typed.
  if (asked.isField)
    return (
      <Autocomplete
        {...words}
        data={fields}
        limit={SHOWN_OPTIONS}
        value={value}
        onChange={onValue}
      />
    );
  if (asked.isLong)
    return (
      <Textarea
        {...words}
        autosize
        minRows={2}
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        value={value}
        onChange={(event) => onValue(event.currentTarget.value)}
      />
    );
  return (
    <TextInput
      {...words}
      {...(asked.isSecret ? { type: "password", autoComplete: "off" } : {})}
      value={value}
      onChange={(event) => onValue(event.currentTarget.value)}
    />
  );
}
