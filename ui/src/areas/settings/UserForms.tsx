// The forms about people: somebody new, and a role for somebody.

import {
  Button,
  Group,
  Modal,
  NativeSelect,
  PasswordInput,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { ErrorNotice } from "../../parts/Notice";
import { words as all } from "./words";

const words = all.users;
type Role = Schemas["Role"];
const EVERYWHERE = "";
const ROLES = Object.entries(words.roles).map(([value, label]) => ({ value, label }));

export function NewUser(props: {
  onDone: () => void;
  onMade: (user: Schemas["UserShown"]) => void;
}) {
  const client = useQueryClient();
  const { workspaceId } = useSession();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("editor");
  const [where, setWhere] = useState(workspaceId);
  const make = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/users", {
          body: {
            email: email.trim(),
            name: name.trim(),
            password: password === "" ? null : password,
            roles: [{ role, workspace_id: where === EVERYWHERE ? null : where }],
          },
        }),
      ),
    onSuccess: async (user) => {
      await client.invalidateQueries({ queryKey: ["users"] });
      props.onMade(user);
    },
  });
  return (
    <Modal
      opened
      onClose={props.onDone}
      title={<Text fw={700}>{words.add}</Text>}
      closeButtonProps={{ "aria-label": all.close }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Stack>
          <TextInput
            label={words.email}
            type="email"
            required
            data-autofocus
            autoComplete="off"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <TextInput
            label={words.name}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <PasswordInput
            label={words.password}
            description={words.passwordHint}
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <RoleChoice role={role} setRole={setRole} where={where} setWhere={setWhere} />
          {make.isError && <ErrorNotice error={make.error} />}
          <Group justify="end">
            <Button variant="default" onClick={props.onDone}>
              {all.back}
            </Button>
            <Button type="submit" loading={make.isPending} disabled={email.trim() === ""}>
              {words.make}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

export function GiveRole({ user, onDone }: { user: Schemas["UserShown"]; onDone: () => void }) {
  const client = useQueryClient();
  const { workspaceId } = useSession();
  const [role, setRole] = useState<Role>("editor");
  const [where, setWhere] = useState(workspaceId);
  const give = useMutation({
    mutationFn: () =>
      api.POST("/api/v1/users/{user_id}/permissions", {
        params: { path: { user_id: user.id } },
        body: { role, workspace_id: where === EVERYWHERE ? null : where },
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      onDone();
    },
  });
  return (
    <Modal
      opened
      onClose={onDone}
      title={<Text fw={700}>{words.grantTitle(user.email)}</Text>}
      closeButtonProps={{ "aria-label": all.close }}
    >
      <Stack>
        <RoleChoice role={role} setRole={setRole} where={where} setWhere={setWhere} />
        {give.isError && <ErrorNotice error={give.error} />}
        <Group justify="end">
          <Button variant="default" onClick={onDone}>
            {all.back}
          </Button>
          <Button loading={give.isPending} onClick={() => give.mutate()}>
            {words.give}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function RoleChoice(props: {
  role: Role;
  setRole: (role: Role) => void;
  where: string;
  setWhere: (where: string) => void;
}) {
  const { session } = useSession();
  return (
    <>
      <NativeSelect
        label={words.role}
        data={ROLES}
        value={props.role}
        onChange={(event) => props.setRole(event.currentTarget.value as Role)}
      />
      <NativeSelect
        label={words.where}
        data={[
          ...session.workspaces.map((each) => ({ value: each.id, label: each.name })),
          { value: EVERYWHERE, label: all.everywhere },
        ]}
        value={props.where}
        onChange={(event) => props.setWhere(event.currentTarget.value)}
      />
    </>
  );
}
