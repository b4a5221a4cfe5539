// Workspaces: the one to work in, new ones, other names, and their end.

import {
  ActionIcon,
  Badge,
  Button,
  Group,
  Menu,
  Modal,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { IconDotsVertical, IconPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { ErrorNotice } from "../../parts/Notice";
import { words as all } from "./words";

const words = all.workspaces;
type Workspace = Schemas["WorkspaceRole"];

export default function Workspaces() {
  const { session, workspaceId, chooseWorkspace } = useSession();
  const [named, name] = useState<Workspace | "new">();
  const [removed, remove] = useState<Workspace>();
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Text c="dimmed">{words.about}</Text>
        {session.is_admin && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => name("new")}>
            {words.add}
          </Button>
        )}
      </Group>
      <Table.ScrollContainer minWidth={420}>
        <Table verticalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{words.columns.name}</Table.Th>
              <Table.Th>{words.columns.role}</Table.Th>
              <Table.Th>{words.columns.act}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {session.workspaces.map((each) => (
              <Table.Tr key={each.id}>
                <Table.Td>
                  <Group gap="xs">
                    <Text fw={600}>{each.name}</Text>
                    {each.id === workspaceId && (
                      <Badge variant="light" tt="none">
                        {words.here}
                      </Badge>
                    )}
                  </Group>
                </Table.Td>
                <Table.Td>{all.users.roleNames[each.role]}</Table.Td>
                <Table.Td>
                  <Group gap="xs">
                    {each.id !== workspaceId && (
                      <Button
                        size="compact-sm"
                        variant="default"
                        onClick={() => chooseWorkspace(each.id)}
                      >
                        {words.work}
                      </Button>
                    )}
                    {each.role === "admin" && (
                      <Menu position="bottom-end">
                        <Menu.Target>
                          <ActionIcon
                            variant="subtle"
                            color="gray"
                            aria-label={words.actions(each.name)}
                          >
                            <IconDotsVertical size={18} />
                          </ActionIcon>
                        </Menu.Target>
                        <Menu.Dropdown>
                          <Menu.Item onClick={() => name(each)}>{words.rename}</Menu.Item>
                          <Menu.Item
                            color="red"
                            disabled={session.workspaces.length === 1}
                            onClick={() => remove(each)}
                          >
                            {words.remove}
                          </Menu.Item>
                        </Menu.Dropdown>
                      </Menu>
                    )}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {named && (
        <Name {...(named === "new" ? {} : { workspace: named })} onDone={() => name(undefined)} />
      )}
      {removed && <Remove workspace={removed} onDone={() => remove(undefined)} />}
    </Stack>
  );
}

function Name({ workspace, onDone }: { workspace?: Workspace; onDone: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(workspace?.name ?? "");
  const save = useMutation({
    mutationFn: async () => {
      const body = { name: name.trim() };
      if (workspace)
        await api.PATCH("/api/v1/workspaces/{workspace_id}", {
          params: { path: { workspace_id: workspace.id } },
          body,
        });
      else await api.POST("/api/v1/workspaces", { body });
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["session"] });
      onDone();
    },
  });
  return (
    <Modal
      opened
      onClose={onDone}
      title={<Text fw={700}>{workspace ? words.renameTitle(workspace.name) : words.add}</Text>}
      closeButtonProps={{ "aria-label": all.close }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          <TextInput
            label={words.name}
            required
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {save.isError && <ErrorNotice error={save.error} />}
          <Group justify="end">
            <Button variant="default" onClick={onDone}>
              {all.back}
            </Button>
            <Button type="submit" loading={save.isPending} disabled={name.trim() === ""}>
              {workspace ? words.save : words.make}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Remove({ workspace, onDone }: { workspace: Workspace; onDone: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/workspaces/{workspace_id}", {
        params: { path: { workspace_id: workspace.id } },
      }),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  return (
    <Confirm
      title={words.removeTitle(workspace.name)}
      yes={words.remove}
      no={all.back}
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onYes={() => remove.mutate()}
      onNo={onDone}
    >
      {words.removeText}
    </Confirm>
  );
}
