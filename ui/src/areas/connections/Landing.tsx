// Where rows land: the schema, the tables' names, and the form of the rows.

import {
  Alert,
  Paper,
  Radio,
  SimpleGrid,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";

import { ErrorNotice } from "../../parts/Notice";
import { titleOf } from "./choices";
import type { Names } from "./names";
import type { Naming } from "./naming";
import { words } from "./words";

const SHOWN = 8;
type Rule = keyof typeof words.landing.rules;
type Form = keyof typeof words.landing.forms;

export function Landing(props: {
  naming: Naming;
  onNaming: (naming: Naming) => void;
  names: Names;
}) {
  const { naming, onNaming, names } = props;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
      <Stack>
        <Radio.Group
          label={words.landing.namespace}
          value={naming.rule}
          onChange={(rule) => onNaming({ ...naming, rule: rule })}
        >
          <Stack gap="xs" mt="xs">
            {(Object.keys(words.landing.rules) as Rule[]).map((rule) => (
              <Radio
                key={rule}
                value={rule}
                label={words.landing.rules[rule].label}
                description={words.landing.rules[rule].says}
              />
            ))}
          </Stack>
        </Radio.Group>
        {naming.rule === "custom_format" && (
          <TextInput
            label={words.landing.format}
            required
            value={naming.format}
            onChange={(event) => onNaming({ ...naming, format: event.currentTarget.value })}
          />
        )}
        <TextInput
          label={words.landing.prefix}
          description={words.landing.prefixSays}
          value={naming.prefix}
          onChange={(event) => onNaming({ ...naming, prefix: event.currentTarget.value })}
        />
        <Radio.Group
          label={words.landing.normalisation}
          value={naming.form}
          onChange={(form) => onNaming({ ...naming, form: form })}
        >
          <Stack gap="xs" mt="xs">
            {(Object.keys(words.landing.forms) as Form[]).map((form) => (
              <Radio
                key={form}
                value={form}
                label={words.landing.forms[form].label}
                description={words.landing.forms[form].says}
              />
            ))}
          </Stack>
        </Radio.Group>
      </Stack>
      <Stack gap="xs">
        <Title order={3} size="h5">
          {words.landing.preview}
        </Title>
        {names.error != null && <ErrorNotice error={names.error} />}
        {names.data?.collisions.map((table) => (
          <Alert key={table} color="red" role="alert">
            {words.landing.collision(table)}
          </Alert>
        ))}
        {names.data && (
          <Paper withBorder>
            <Table>
              <Table.Tbody>
                {names.data.items.slice(0, SHOWN).map((each) => (
                  <Table.Tr key={each.key}>
                    <Table.Td>
                      <Text size="sm">{titleOf(each.stream)}</Text>
                    </Table.Td>
                    <Table.Td>
                      <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
                        {each.table}
                      </Text>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            {names.data.items.length > SHOWN && (
              <Text size="sm" c="dimmed" p="xs">
                {words.landing.more(names.data.items.length - SHOWN)}
              </Text>
            )}
          </Paper>
        )}
      </Stack>
    </SimpleGrid>
  );
}
