// What a test read asked for and got: page by page, with the words of whoever read.

import {
  Accordion,
  Alert,
  Badge,
  Code,
  Group,
  Stack,
  Table,
  Tabs,
  Text,
  Title,
} from "@mantine/core";

import type { Schemas } from "../../api/client";
import { Tall } from "../../parts/Tall";
import { words as all } from "./words";

const words = all.result;
const FIRST = "0-0";
type Page = Schemas["TrialPageShown"];

export function TrialResult({ found }: { found: Schemas["TrialShown"] }) {
  const pages = found.slices.flatMap((each) => each.pages);
  const records = pages.reduce((sum, page) => sum + page.records.length, 0);
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={2} size="h4">
          {words.title}
        </Title>
        <Text size="sm" c="dimmed" role="status">
          {words.total(records, pages.length)}
        </Text>
      </Group>
      {found.is_cut && <Text size="sm">{words.cut}</Text>}
      {found.texts_cut > 0 && <Text size="sm">{words.textsCut(found.texts_cut)}</Text>}
      <Lines lines={found.lines} />
      {pages.length === 0 && <Text c="dimmed">{words.nothing}</Text>}
      <Accordion variant="separated" multiple defaultValue={[FIRST]}>
        {found.slices.flatMap((slice, at) =>
          slice.pages.map((page, number) => (
            <Accordion.Item key={`${at}-${number}`} value={`${at}-${number}`}>
              <Accordion.Control>
                <PageTitle page={page} slice={slice.slice} />
              </Accordion.Control>
              <Accordion.Panel>
                <PageParts page={page} />
              </Accordion.Panel>
            </Accordion.Item>
          )),
        )}
      </Accordion>
      {found.inferred_schema && records > 0 && (
        <details>
          <summary>{words.schema}</summary>
          <Written label={words.schema} text={JSON.stringify(found.inferred_schema, null, 2)} />
        </details>
      )}
    </Stack>
  );
}

function Lines({ lines }: { lines: Schemas["TrialLineShown"][] }) {
  const wrong = lines.filter((line) => line.level === "ERROR" || line.level === "FATAL");
  const rest = lines.filter((line) => !wrong.includes(line));
  return (
    <>
      {wrong.map((line, number) => (
        <Alert key={number} color="red" role="alert">
          {line.message}
        </Alert>
      ))}
      {rest.length > 0 && (
        <details>
          <summary>{words.lines}</summary>
          {rest.map((line, number) => (
            <Text size="sm" key={number}>
              {line.level} {line.message}
            </Text>
          ))}
        </details>
      )}
    </>
  );
}

function PageTitle({ page, slice }: { page: Page; slice: string | null }) {
  const status = page.response === null ? words.noAnswer : String(page.response.status);
  const isGood = page.response !== null && page.response.status < 400;
  return (
    <div>
      <Group gap="xs">
        <Badge color={isGood ? "green" : "red"} variant="light" tt="none">
          {status}
        </Badge>
        <Text size="sm" fw={600}>
          {words.page(page.request?.method ?? "", status, page.records.length)}
        </Text>
      </Group>
      <Text size="xs" ff="monospace" style={{ overflowWrap: "anywhere" }}>
        {page.request?.url}
      </Text>
      {slice !== null && slice !== "{}" && (
        <Text size="xs" c="dimmed">
          {words.slice(slice)}
        </Text>
      )}
    </div>
  );
}

function PageParts({ page }: { page: Page }) {
  return (
    <Tabs defaultValue="records" keepMounted={false}>
      <Tabs.List>
        {Object.entries(words.tabs).map(([value, label]) => (
          <Tabs.Tab key={value} value={value}>
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value="records" pt="sm">
        {page.records.length === 0 ? (
          <Text size="sm" c="dimmed">
            {words.noRecords}
          </Text>
        ) : (
          <Written label={words.tabs.records} text={page.records.join("\n")} />
        )}
      </Tabs.Panel>
      <Tabs.Panel value="response" pt="sm">
        <Message {...(page.response ?? { headers: {}, body: null })} name={words.tabs.response} />
      </Tabs.Panel>
      <Tabs.Panel value="request" pt="sm">
        <Message {...(page.request ?? { headers: {}, body: null })} name={words.tabs.request} />
      </Tabs.Panel>
    </Tabs>
  );
}

function Message(props: { headers: Record<string, string>; body: string | null; name: string }) {
  const headers = Object.entries(props.headers);
  return (
    <Stack gap="xs">
      {props.body === null || props.body === "" ? (
        <Text size="sm" c="dimmed">
          {words.noBody}
        </Text>
      ) : (
        <Written label={props.name} text={props.body} />
      )}
      {headers.length > 0 && (
        <details>
          <summary>{words.headers}</summary>
          <Table fz="xs">
            <Table.Tbody>
              {headers.map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Th>{name}</Table.Th>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </details>
      )}
    </Stack>
  );
}

function Written({ label, text }: { label: string; text: string }) {
  return (
    <Tall label={words.region(label)} maxHeight={320}>
      <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {text}
      </Code>
    </Tall>
  );
}
