// Who one is: one's name and password; the latter lets one sign in without a link.

import { Alert, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import { useSession } from "../../api/session";
import { ErrorNotice } from "../../parts/Notice";
import { words as all } from "./words";

const words = all.account;

export default function Account() {
  const { session } = useSession();
  const client = useQueryClient();
  const [name, setName] = useState(session.name);
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const save = useMutation({
    mutationFn: () =>
      api.PATCH("/api/v1/users/{user_id}", {
        params: { path: { user_id: session.user_id } },
        body: { name: name.trim(), ...(password === "" ? {} : { password }) },
      }),
    onSuccess: async () => {
      setPassword("");
      setAgain("");
      await client.invalidateQueries({ queryKey: ["session"] });
    },
  });
  const isSame = password === again;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isSame) save.mutate();
      }}
    >
      <Stack maw={420}>
        <Text c="dimmed">{words.about(session.email)}</Text>
        <TextInput
          label={words.name}
          autoComplete="name"
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
        <PasswordInput
          label={words.again}
          autoComplete="new-password"
          value={again}
          error={again !== "" && !isSame ? words.differs : undefined}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        <div aria-live="polite">
          {save.isError && <ErrorNotice error={save.error} />}
          {save.isSuccess && password === "" && (
            <Alert color="green" icon={<IconCheck />} title={words.saved} />
          )}
        </div>
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isSame}>
            {words.save}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
