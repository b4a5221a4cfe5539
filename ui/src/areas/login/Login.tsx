// Signing in: by e-mail address and password, or by the one-time link that brought one here.

import { Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { api, found, type Schemas } from "../../api/client";
import { ErrorNotice } from "../../parts/Notice";
import { words } from "./words";

export function Login({ onSignedIn }: { onSignedIn?: (session: Schemas["SessionShown"]) => void }) {
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useMutation({
    mutationFn: async (body: { email?: string; password?: string; link?: string }) =>
      found(await api.POST("/api/v1/session", { body })),
    onSuccess: async (session) => {
      await client.invalidateQueries({ queryKey: ["session"] });
      onSignedIn?.(session);
    },
  });
  const tried = useRef(false);
  useEffect(() => {
    const link = window.location.hash.slice(1);
    if (window.location.pathname.endsWith("/login") && link !== "" && !tried.current) {
      tried.current = true;
      // The secret is good once; it does not stay in the history either.
      window.history.replaceState(null, "", window.location.pathname.replace(/login$/, ""));
      signIn.mutate({ link });
    }
  }, [signIn]);
  return (
    <Center mih="100vh" p="md">
      <Paper withBorder p="xl" w={400} maw="100%">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            signIn.mutate({ email, password });
          }}
        >
          <Stack>
            <Title order={1} size="h2">
              {words.title}
            </Title>
            <TextInput
              label={words.email}
              type="email"
              autoComplete="username"
              required
              value={email}
              onChange={(event) => setEmail(event.currentTarget.value)}
            />
            <PasswordInput
              label={words.password}
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
            />
            {signIn.isError && <ErrorNotice error={signIn.error} />}
            <Button type="submit" loading={signIn.isPending}>
              {words.do}
            </Button>
            <Text size="sm" c="dimmed">
              {words.onThisMachine} <code>penstock login-link</code> {words.printsALink}
            </Text>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
