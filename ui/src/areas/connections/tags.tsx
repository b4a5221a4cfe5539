// The tags of a workspace: chosen, made, shown.

import { Badge, ColorSwatch, TagsInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, found, type Schemas } from "../../api/client";
import { ErrorNotice } from "../../parts/Notice";
import { words } from "./words";

export type Tag = Schemas["Tag"];
const COLORS = ["0c8599", "5f3dc4", "e8590c", "2b8a3e", "c2255c", "1864ab", "846358", "495057"];

export function useTags(workspaceId: string) {
  return useQuery({
    queryKey: ["tags", workspaceId],
    queryFn: async () =>
      found(await api.GET("/api/v1/tags", { params: { query: { workspace_id: workspaceId } } }))
        .items,
  });
}

export function TagsField(props: {
  workspaceId: string;
  /** Ids. */
  tags: readonly string[];
  onTags: (tags: string[]) => void;
}) {
  const { workspaceId, tags, onTags } = props;
  const client = useQueryClient();
  const known = useTags(workspaceId);
  const all = known.data ?? [];
  const make = useMutation({
    mutationFn: async (name: string) => {
      const color = COLORS[all.length % COLORS.length] ?? "495057";
      const body = { workspace_id: workspaceId, name, color };
      return found(await api.POST("/api/v1/tags", { body }));
    },
    onSuccess: (made) => {
      client.setQueryData(["tags", workspaceId], [...all, made]);
      onTags([...tags, made.id]);
    },
  });
  const names = new Map(all.map((each) => [each.id, each.name]));
  const ids = new Map(all.map((each) => [each.name, each.id]));
  return (
    <>
      <TagsInput
        label={words.tags.label}
        description={words.tags.says}
        data={all.map((each) => each.name)}
        disabled={!known.isSuccess || make.isPending}
        value={tags.flatMap((id) => names.get(id) ?? [])}
        acceptValueOnBlur
        onChange={(wanted) => {
          const fresh = wanted.filter((name) => !ids.has(name));
          onTags(wanted.flatMap((name) => ids.get(name) ?? []));
          for (const name of fresh) make.mutate(name);
        }}
      />
      {known.isError && <ErrorNotice error={known.error} />}
      {make.isError && <ErrorNotice error={make.error} />}
    </>
  );
}

export function TagBadge({ tag }: { tag: Tag }) {
  return (
    <Badge
      variant="default"
      tt="none"
      fw={500}
      leftSection={<ColorSwatch color={`#${tag.color}`} size={9} withShadow={false} />}
    >
      {tag.name}
    </Badge>
  );
}
