// One's own API tokens: made, shown once, revoked.

import {
  Button,
  Code,
  Group,
  Modal,
  NativeSelect,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, found, root, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Confirm } from "../../parts/Confirm";
import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Secret } from "../../parts/Secret";
import { ago, at } from "../../parts/format";
import { words as all } from "./words";

const words = all.tokens;
type Token = Schemas["TokenShown"];
const DAY_MS = 86_400_000;

export default function Tokens() {
  const tokens = useQuery({
    queryKey: ["tokens"],
    queryFn: async () => found(await api.GET("/api/v1/tokens")).items,
  });
  const [isMaking, setMaking] = useState(false);
  const [revoked, revoke] = useState<Token>();
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Text c="dimmed" maw={640}>
          {words.about}
        </Text>
        <Button leftSection={<IconPlus size={16} />} onClick={() => setMaking(true)}>
          {words.add}
        </Button>
      </Group>
      {tokens.isPending && <Waiting />}
      {tokens.isError && <ErrorNotice error={tokens.error} again={() => void tokens.refetch()} />}
      {tokens.data?.length === 0 && <Text>{words.none}</Text>}
      {tokens.data && tokens.data.length > 0 && <Rows tokens={tokens.data} revoke={revoke} />}
      {isMaking && <Make onDone={() => setMaking(false)} />}
      {revoked && <Revoke token={revoked} onDone={() => revoke(undefined)} />}
    </Stack>
  );
}

function Rows({ tokens, revoke }: { tokens: Token[]; revoke: (token: Token) => void }) {
  const { session } = useSession();
  const now = Date.parse(session.now);
  return (
    <Table.ScrollContainer minWidth={720}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.columns.name}</Table.Th>
            <Table.Th>{words.columns.prefix}</Table.Th>
            <Table.Th>{words.columns.may}</Table.Th>
            <Table.Th>{words.columns.made}</Table.Th>
            <Table.Th>{words.columns.expires}</Table.Th>
            <Table.Th>{words.columns.used}</Table.Th>
            <Table.Th>{words.columns.revoke}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tokens.map((token) => {
            const isOver = token.expires_at !== null && Date.parse(token.expires_at) < now;
            return (
              <Table.Tr key={token.id}>
                <Table.Td fw={600}>{token.name}</Table.Td>
                <Table.Td ff="monospace">{token.prefix}…</Table.Td>
                <Table.Td>{mayOf(token)}</Table.Td>
                <Table.Td>{ago(token.created_at)}</Table.Td>
                <Table.Td>{ends(token, isOver)}</Table.Td>
                <Table.Td>
                  {token.last_used_at === null ? all.never : ago(token.last_used_at)}
                </Table.Td>
                <Table.Td>
                  {token.revoked_at === null && !isOver && (
                    <Button
                      size="compact-sm"
                      variant="subtle"
                      color="red"
                      aria-label={words.revokeOne(token.name)}
                      onClick={() => revoke(token)}
                    >
                      {words.revoke}
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function mayOf(token: Token): string {
  if (token.scopes.length === 0) return words.may.all;
  const known: Record<string, string> = words.may;
  return token.scopes.map((scope) => known[scope] ?? scope).join(", ");
}

function ends(token: Token, isOver: boolean) {
  if (token.revoked_at !== null) return words.revoked;
  if (token.expires_at === null) return all.never;
  return isOver ? words.ended : <span title={at(token.expires_at)}>{ago(token.expires_at)}</span>;
}

function Make({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [scope, setScope] = useState("all");
  const [days, setDays] = useState("90");
  const make = useMutation({
    mutationFn: async () =>
      found(
        await api.POST("/api/v1/tokens", {
          body: {
            name: name.trim(),
            scopes: scope === "all" ? [] : [scope],
            expires_at:
              days === "never" ? null : new Date(Date.now() + Number(days) * DAY_MS).toISOString(),
          },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: ["tokens"] }),
  });
  if (make.data) return <Made secret={make.data.secret} onDone={onDone} />;
  return (
    <Modal
      opened
      onClose={onDone}
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
            label={words.name}
            description={words.nameHint}
            required
            maxLength={200}
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <NativeSelect
            label={words.mayLabel}
            data={Object.entries(words.may).map(([value, label]) => ({ value, label }))}
            value={scope}
            onChange={(event) => setScope(event.currentTarget.value)}
          />
          <NativeSelect
            label={words.lasts}
            data={Object.entries(words.periods).map(([value, label]) => ({ value, label }))}
            value={days}
            onChange={(event) => setDays(event.currentTarget.value)}
          />
          {make.isError && <ErrorNotice error={make.error} />}
          <Group justify="end">
            <Button variant="default" onClick={onDone}>
              {all.back}
            </Button>
            <Button type="submit" loading={make.isPending} disabled={name.trim() === ""}>
              {words.make}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Made({ secret, onDone }: { secret: string; onDone: () => void }) {
  const example = `curl -H "Authorization: Bearer $PENSTOCK_TOKEN" \\\n  ${window.location.origin}${root}/api/v1/connections`;
  return (
    <Modal
      opened
      onClose={onDone}
      size="lg"
      // What is shown once does not go by a click beside it.
      closeOnClickOutside={false}
      closeOnEscape={false}
      title={<Text fw={700}>{words.madeTitle}</Text>}
      closeButtonProps={{ "aria-label": all.close }}
    >
      <Stack>
        <Text>{words.madeText}</Text>
        <Secret label={words.secret} value={secret} copy={all.copy} copied={all.copied} />
        <div>
          <Text size="sm">{words.example}</Text>
          <Code block tabIndex={0}>
            {example}
          </Code>
        </div>
        <Group justify="end">
          <Button onClick={onDone}>{words.done}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Revoke({ token, onDone }: { token: Token; onDone: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: token.id } } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["tokens"] });
      onDone();
    },
  });
  return (
    <Confirm
      title={words.revokeTitle(token.name)}
      yes={words.revoke}
      no={all.back}
      isDangerous
      isPending={revoke.isPending}
      error={revoke.error}
      onYes={() => revoke.mutate()}
      onNo={onDone}
    >
      {words.revokeText}
    </Confirm>
  );
}
