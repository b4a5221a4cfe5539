// A low-code manifest as it is written: its settings and streams, a test read, and the way to the gallery.

import {
  Alert,
  Button,
  FileButton,
  Grid,
  Group,
  Loader,
  NativeSelect,
  NumberInput,
  Paper,
  Stack,
  Text,
  TextInput,
  Textarea,
  Title,
} from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconFileUpload, IconPlayerPlay } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { ErrorNotice } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { ConnectorForm, type ConnectorFormHandle } from "../connectors/form/ConnectorForm";
import type { JsonObject } from "../connectors/form/json";
import { MayAdminister } from "../settings/MayAdminister";
import { AddConnector } from "./AddConnector";
import { TrialResult } from "./TrialResult";
import { STARTER } from "./starter";
import { words } from "./words";

const OTHER = "";

interface Read {
  text: string;
  found: Schemas["ManifestShown"];
}

export function ManifestEditor() {
  const { workspaceId } = useSession();
  return (
    <Page title={words.title} crumbs={[{ to: "/settings/connectors", label: words.settings }]}>
      <MayAdminister workspaceId={workspaceId}>
        <Editor />
      </MayAdminister>
    </Page>
  );
}

function Editor() {
  const { workspaceId } = useSession();
  const [text, setText] = useLocalStorage({
    key: "penstock-manifest",
    defaultValue: STARTER,
    getInitialValueInEffect: false,
  });
  const [isAnew, setAnew] = useState(false);
  const [read, setRead] = useState<Read>();
  const inspect = useMutation({
    mutationFn: async (manifest: string) => ({
      text: manifest,
      found: found(
        await api.POST("/api/v1/manifests/inspect", {
          body: { workspace_id: workspaceId, manifest },
        }),
      ),
    }),
    onSuccess: setRead,
  });
  return (
    <>
      <Text c="dimmed" maw={760}>
        {words.about}
      </Text>
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 6 }}>
          <Stack>
            <Textarea
              label={words.editor}
              description={words.editorHint}
              autosize
              minRows={16}
              maxRows={36}
              spellCheck={false}
              wrap="off"
              styles={{
                input: {
                  fontFamily: "var(--mantine-font-family-monospace)",
                  fontSize: "var(--mantine-font-size-xs)",
                },
              }}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
            />
            <Group>
              <Button
                loading={inspect.isPending}
                disabled={text.trim() === ""}
                onClick={() => inspect.mutate(text)}
              >
                {words.read}
              </Button>
              <FileButton
                accept=".yaml,.yml,.json"
                onChange={(file) => {
                  if (file) void file.text().then(setText);
                }}
              >
                {(button) => (
                  <Button {...button} variant="default" leftSection={<IconFileUpload size={16} />}>
                    {words.file}
                  </Button>
                )}
              </FileButton>
              {text !== STARTER && (
                <Button variant="subtle" color="gray" onClick={() => setAnew(true)}>
                  {words.startAnew}
                </Button>
              )}
            </Group>
            {inspect.isError && <ErrorNotice error={inspect.error} />}
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 6 }}>
          {read ? (
            <Stack>
              {read.text !== text && <Alert color="yellow" title={words.stale} />}
              <Trial key={JSON.stringify(read.found)} read={read} text={text} />
              <AddConnector manifest={text} />
            </Stack>
          ) : (
            <Text c="dimmed">{words.readText}</Text>
          )}
        </Grid.Col>
      </Grid>
      {isAnew && (
        <Confirm
          title={words.anewTitle}
          yes={words.startAnew}
          no={words.back}
          isPending={false}
          error={null}
          onYes={() => {
            setText(STARTER);
            setAnew(false);
          }}
          onNo={() => setAnew(false)}
        >
          {words.anewText}
        </Confirm>
      )}
    </>
  );
}

function Trial({ read, text }: { read: Read; text: string }) {
  const { workspaceId } = useSession();
  const form = useRef<ConnectorFormHandle>(null);
  const names = read.found.streams;
  const [chosen, setChosen] = useState(names[0] ?? OTHER);
  const [other, setOther] = useState("");
  const [limits, setLimits] = useState({ records: 50, pages: 5, slices: 5 });
  const stream = chosen === OTHER ? other.trim() : chosen;
  const test = useMutation({
    mutationFn: async (config: JsonObject) =>
      found(
        await api.POST("/api/v1/manifests/test", {
          body: { workspace_id: workspaceId, manifest: text, config, stream, ...limits },
        }),
      ),
  });
  const schema = read.found.connection_specification as JsonObject;
  const hasSettings = Object.keys((schema.properties ?? {}) as object).length > 0;
  return (
    <Stack>
      <Paper withBorder p="md">
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            const config = hasSettings ? form.current?.submit() : {};
            if (config && stream !== "") test.mutate(config);
          }}
        >
          <Stack>
            <Title order={2} size="h4">
              {words.try}
            </Title>
            <NativeSelect
              label={words.stream}
              data={[
                ...names.map((name) => ({ value: name, label: name })),
                { value: OTHER, label: words.otherStream },
              ]}
              value={chosen}
              onChange={(event) => setChosen(event.currentTarget.value)}
            />
            {chosen === OTHER && (
              <TextInput
                label={words.streamName}
                required
                value={other}
                onChange={(event) => setOther(event.currentTarget.value)}
              />
            )}
            {hasSettings ? (
              <ConnectorForm ref={form} schema={schema} />
            ) : (
              <Text size="sm" c="dimmed">
                {words.noSettings}
              </Text>
            )}
            <Group grow align="end">
              <Limit
                label={words.records}
                value={limits.records}
                most={1000}
                set={(records) => setLimits({ ...limits, records })}
              />
              <Limit
                label={words.pages}
                value={limits.pages}
                most={20}
                set={(pages) => setLimits({ ...limits, pages })}
              />
              <Limit
                label={words.slices}
                value={limits.slices}
                most={20}
                set={(slices) => setLimits({ ...limits, slices })}
              />
            </Group>
            <Group>
              <Button
                type="submit"
                leftSection={<IconPlayerPlay size={16} />}
                loading={test.isPending}
                disabled={stream === ""}
              >
                {words.test}
              </Button>
            </Group>
            {test.isPending && (
              <Group gap="xs" role="status">
                <Loader size="xs" />
                <Text size="sm">{words.testing}</Text>
              </Group>
            )}
            {test.isError && <ErrorNotice error={test.error} />}
          </Stack>
        </form>
      </Paper>
      {test.data && <TrialResult found={test.data} />}
    </Stack>
  );
}

function Limit(props: {
  label: string;
  value: number;
  most: number;
  set: (value: number) => void;
}) {
  return (
    <NumberInput
      label={props.label}
      min={1}
      max={props.most}
      clampBehavior="strict"
      allowDecimal={false}
      value={props.value}
      onChange={(value) => {
        if (typeof value === "number" && value >= 1) props.set(value);
      }}
    />
  );
}
