// What is read of the source: how it has changed, what of that is taken over, and every stream.

import { Alert, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";

import { useAddress } from "../../parts/address";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { useCatalog, useChange, type Catalog } from "./calls";
import { changedKeys, draftOf, lackOf, takenChoices, type Draft } from "./choices";
import type { PartProps } from "./ConnectionPage";
import { useNames } from "./names";
import { namingOf } from "./naming";
import { SchemaChanges } from "./SchemaChanges";
import { StreamTable } from "./StreamTable";
import { words } from "./words";

export default function SchemaPart({ connection }: PartProps) {
  const catalog = useCatalog(connection.source_id);
  if (catalog.isPending) return <Waiting text={words.schema.asking} />;
  if (catalog.isError)
    return <ErrorNotice error={catalog.error} again={() => void catalog.refetch()} />;
  return <Editor connection={connection} catalog={catalog.data} />;
}

function Editor({ connection, catalog }: PartProps & { catalog: Catalog }) {
  const kept = useMemo(
    () => draftOf(catalog.streams, connection.streams),
    [catalog, connection.streams],
  );
  // What was kept when editing began: what others save meanwhile does not vanish under one's own.
  const [base, setBase] = useState(kept);
  const [draft, setDraft] = useState<Draft>(kept);
  const [open, setOpen] = useAddress("stream");
  const change = useChange(connection.id);
  const changed = changedKeys(base, draft);
  const isElsewhere = useMemo(
    () => kept !== base && changedKeys(base, kept).length > 0,
    [kept, base],
  );
  const restart = () => {
    setBase(kept);
    setDraft(kept);
  };
  if (kept !== base && changed.length === 0) restart();
  const chosen = useMemo(() => takenChoices(draft), [draft]);
  const names = useNames({
    sourceId: connection.source_id,
    destinationId: connection.destination_id,
    choices: chosen,
    naming: namingOf(connection),
  });
  const isWhole =
    chosen.length > 0 && [...draft.values()].every((entry) => lackOf(entry) === undefined);
  const save = () =>
    change.mutate(
      { streams: chosen, catalog_id: catalog.id },
      {
        onSuccess: (saved) => {
          const next = draftOf(catalog.streams, saved.streams);
          setBase(next);
          setDraft(next);
        },
      },
    );
  return (
    <Stack gap="lg">
      <SchemaChanges connection={connection} chosen={changed.length > 0 ? chosen : undefined} />
      <Paper withBorder p="md">
        <StreamTable
          sourceId={connection.source_id}
          draft={draft}
          onDraft={setDraft}
          saved={base}
          tables={names.byKey}
          open={open}
          onOpen={setOpen}
        />
      </Paper>
      {isElsewhere && changed.length > 0 && (
        <Alert color="orange" title={words.schema.elsewhere} role="alert">
          <Group>
            <Text size="sm">{words.schema.elsewhereText}</Text>
            <Button size="xs" variant="default" onClick={restart}>
              {words.schema.theirs}
            </Button>
          </Group>
        </Alert>
      )}
      {change.isError && <ErrorNotice error={change.error} />}
      <Group aria-live="polite">
        <Button
          disabled={changed.length === 0 || !isWhole}
          loading={change.isPending}
          onClick={save}
        >
          {words.schema.save}
        </Button>
        {changed.length > 0 && (
          <>
            <Button variant="default" onClick={restart}>
              {words.schema.discard}
            </Button>
            <Text size="sm">{words.schema.unsaved(changed.length)}</Text>
          </>
        )}
        {changed.length === 0 && change.isSuccess && (
          <Text size="sm" c="dimmed">
            {words.schema.saved}
          </Text>
        )}
      </Group>
    </Stack>
  );
}
