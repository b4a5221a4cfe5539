// People who sign in, their roles, and the links that let them in.

import { ActionIcon, Badge, Button, Group, Menu, Modal, Stack, Table, Text } from "@mantine/core";
import { IconDotsVertical, IconPlus } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, found, root, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { More } from "../../parts/More";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Secret } from "../../parts/Secret";
import { ago } from "../../parts/format";
import { MayAdminister } from "./MayAdminister";
import { GiveRole, NewUser } from "./UserForms";
import { words as all } from "./words";

const words = all.users;
type User = Schemas["UserShown"];
type Permission = Schemas["PermissionShown"];
type Act = "grant" | "remove" | "link";

export default function Users() {
  return (
    <MayAdminister>
      <List />
    </MayAdminister>
  );
}

function List() {
  const query = useInfiniteQuery({
    queryKey: ["users"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) =>
      found(
        await api.GET("/api/v1/users", {
          params: {
            query: { limit: 100, ...(pageParam === undefined ? {} : { after: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const [isMaking, setMaking] = useState(false);
  const [act, setAct] = useState<{ kind: Act; user: User }>();
  if (query.isPending) return <Waiting />;
  if (query.isError) return <ErrorNotice error={query.error} again={() => void query.refetch()} />;
  const users = query.data.pages.flatMap((page) => page.items);
  const done = () => setAct(undefined);
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Text c="dimmed">{words.about}</Text>
        <Button leftSection={<IconPlus size={16} />} onClick={() => setMaking(true)}>
          {words.add}
        </Button>
      </Group>
      <Rows users={users} act={(kind, user) => setAct({ kind, user })} />
      <More query={query}>{all.more}</More>
      {isMaking && (
        <NewUser
          onDone={() => setMaking(false)}
          onMade={(user) => {
            setMaking(false);
            // Without a password a link is the only way in.
            if (!user.has_password) setAct({ kind: "link", user });
          }}
        />
      )}
      {act?.kind === "grant" && <GiveRole user={act.user} onDone={done} />}
      {act?.kind === "link" && <SignInLink user={act.user} onDone={done} />}
      {act?.kind === "remove" && <Remove user={act.user} onDone={done} />}
    </Stack>
  );
}

function Rows({ users, act }: { users: User[]; act: (kind: Act, user: User) => void }) {
  const { session } = useSession();
  const client = useQueryClient();
  const told = () => client.invalidateQueries({ queryKey: ["users"] });
  const change = useMutation({
    mutationFn: (user: User) =>
      api.PATCH("/api/v1/users/{user_id}", {
        params: { path: { user_id: user.id } },
        body: { is_disabled: !user.is_disabled },
      }),
    onSuccess: told,
  });
  const revoke = useMutation({
    mutationFn: (permission: Permission) =>
      api.DELETE("/api/v1/permissions/{permission_id}", {
        params: { path: { permission_id: permission.id } },
      }),
    onSuccess: told,
  });
  const where = useWhere();
  const problem = change.error ?? revoke.error;
  return (
    <>
      {problem != null && <ErrorNotice error={problem} />}
      <Table.ScrollContainer minWidth={640}>
        <Table verticalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{words.columns.user}</Table.Th>
              <Table.Th>{words.columns.roles}</Table.Th>
              <Table.Th>{words.columns.seen}</Table.Th>
              <Table.Th>{words.columns.act}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {users.map((user) => (
              <Table.Tr key={user.id}>
                <Table.Td>
                  <Group gap="xs">
                    <Text fw={600}>{user.email}</Text>
                    {user.id === session.user_id && (
                      <Badge variant="light" tt="none">
                        {words.you}
                      </Badge>
                    )}
                    {user.is_disabled && (
                      <Badge variant="light" color="gray" tt="none">
                        {words.disabled}
                      </Badge>
                    )}
                  </Group>
                  {user.name !== "" && (
                    <Text size="sm" c="dimmed">
                      {user.name}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>
                  {user.permissions.length === 0 && (
                    <Text size="sm" c="dimmed">
                      {words.noRole}
                    </Text>
                  )}
                  {user.permissions.map((each) => (
                    <div key={each.id}>
                      {words.roleNames[each.role]} · {where(each.workspace_id)}
                    </div>
                  ))}
                </Table.Td>
                <Table.Td>
                  {user.last_login_at === null ? all.never : ago(user.last_login_at)}
                </Table.Td>
                <Table.Td>
                  <Menu position="bottom-end">
                    <Menu.Target>
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label={words.actions(user.email)}
                      >
                        <IconDotsVertical size={18} />
                      </ActionIcon>
                    </Menu.Target>
                    <Menu.Dropdown>
                      <Menu.Item onClick={() => act("link", user)}>{words.link}</Menu.Item>
                      <Menu.Item onClick={() => act("grant", user)}>{words.grant}</Menu.Item>
                      {user.permissions.map((each) => (
                        <Menu.Item key={each.id} onClick={() => revoke.mutate(each)}>
                          {words.takeRole(words.roleNames[each.role], where(each.workspace_id))}
                        </Menu.Item>
                      ))}
                      {user.id !== session.user_id && (
                        <>
                          <Menu.Item onClick={() => change.mutate(user)}>
                            {user.is_disabled ? words.enable : words.disable}
                          </Menu.Item>
                          <Menu.Item color="red" onClick={() => act("remove", user)}>
                            {words.remove}
                          </Menu.Item>
                        </>
                      )}
                    </Menu.Dropdown>
                  </Menu>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}

function useWhere(): (workspaceId: string | null) => string {
  const { session } = useSession();
  return (id) =>
    id === null ? all.everywhere : (session.workspaces.find((each) => each.id === id)?.name ?? id);
}

function SignInLink({ user, onDone }: { user: User; onDone: () => void }) {
  const make = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/users/{user_id}/link", { params: { path: { user_id: user.id } } }),
      ).secret,
  });
  return (
    <Modal
      opened
      onClose={onDone}
      size="lg"
      closeOnClickOutside={false}
      title={<Text fw={700}>{words.linkTitle(user.email)}</Text>}
      closeButtonProps={{ "aria-label": all.close }}
    >
      <Stack>
        <Text>{words.linkText}</Text>
        {make.isError && <ErrorNotice error={make.error} />}
        {make.data !== undefined && (
          <Secret
            label={words.linkLabel}
            value={`${window.location.origin}${root}/login#${make.data}`}
            copy={all.copy}
            copied={all.copied}
          />
        )}
        <Group justify="end">
          {make.data === undefined ? (
            <Button loading={make.isPending} onClick={() => make.mutate()}>
              {words.link}
            </Button>
          ) : (
            <Button onClick={onDone}>{words.linkDone}</Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}

function Remove({ user, onDone }: { user: User; onDone: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/users/{user_id}", { params: { path: { user_id: user.id } } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      onDone();
    },
  });
  return (
    <Confirm
      title={words.removeTitle(user.email)}
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
