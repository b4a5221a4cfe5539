// A manifest that works becomes a connector of the gallery.

import { Alert, Button, Group, Paper, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { api, found } from "../../api/client";
import { useSession } from "../../api/session";
import { ErrorNotice } from "../../parts/Notice";
import { nameOf } from "../connectors/naming";
import { words as all } from "./words";

const words = all.add;

export function AddConnector({ manifest }: { manifest: string }) {
  const { session, workspaceId } = useSession();
  const client = useQueryClient();
  const [title, setTitle] = useState("");
  const name = nameOf(title);
  const add = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/definitions", {
          body: {
            kind: "source",
            title: title.trim(),
            name,
            manifest,
            workspace_id: session.is_admin ? null : workspaceId,
          },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: ["definitions"] }),
  });
  return (
    <Paper withBorder p="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <Stack>
          <div>
            <Title order={2} size="h4">
              {words.title}
            </Title>
            <Text size="sm" c="dimmed">
              {words.about}
            </Text>
          </div>
          <Group align="end">
            <TextInput
              label={words.name}
              value={title}
              flex={1}
              onChange={(event) => {
                setTitle(event.currentTarget.value);
                add.reset();
              }}
            />
            <Button
              type="submit"
              variant="default"
              loading={add.isPending}
              disabled={name === "" || add.isSuccess}
            >
              {words.do}
            </Button>
          </Group>
          {add.isError && <ErrorNotice error={add.error} />}
          {add.data && (
            <Alert color="green" icon={<IconCheck />} title={words.done(add.data.title)}>
              <Button
                component={Link}
                to={`/sources/new/${add.data.id}`}
                size="xs"
                variant="default"
              >
                {words.use}
              </Button>
            </Alert>
          )}
        </Stack>
      </form>
    </Paper>
  );
}
