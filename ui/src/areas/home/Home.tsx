// The first page: what has run lately, or what to do first.

import { Button } from "@mantine/core";
import { IconRocket } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { api, found } from "../../api/client";
import { EmptyState, ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { RunTable } from "../runs/RunTable";

export function Home() {
  const runs = useQuery({
    queryKey: ["runs", "newest"],
    queryFn: async () => found(await api.GET("/api/v1/runs", { params: { query: { limit: 20 } } })),
  });
  return (
    <Page title="Home">
      {runs.isPending && <Waiting />}
      {runs.isError && <ErrorNotice error={runs.error} again={() => void runs.refetch()} />}
      {runs.data?.items.length === 0 && (
        <EmptyState
          icon={<IconRocket size={40} />}
          title="Move your first rows"
          text="Set up a source, then a destination, then the connection between them."
          action={
            <Button component={Link} to="/sources/new">
              New source
            </Button>
          }
        />
      )}
      {runs.data && runs.data.items.length > 0 && <RunTable runs={runs.data.items} />}
    </Page>
  );
}
