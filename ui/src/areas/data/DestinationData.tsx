// A destination that is asked with SQL.

import { Alert } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";

import { ErrorNotice, Waiting } from "../../parts/Notice";
import { Page } from "../../parts/Page";
import { one } from "../connectors/calls";
import { Question } from "./Question";
import { useFacts } from "./calls";
import { words } from "./words";

export function DestinationData() {
  const { destinationId = "" } = useParams({ strict: false });
  const destination = useQuery({
    queryKey: ["destinations", destinationId],
    queryFn: () => one("destination", destinationId),
  });
  const facts = useFacts(destinationId);
  const problem = destination.error ?? facts.error;
  if (problem != null) return <ErrorNotice error={problem} again={() => void facts.refetch()} />;
  if (!destination.data || !facts.data) return <Waiting />;
  return (
    <Page
      title={words.sql.title(destination.data.name)}
      crumbs={[{ to: "/data", label: words.title }]}
    >
      {facts.data.confines_sql ? (
        <Question key={destinationId} destinationId={destinationId} first="" />
      ) : (
        <Alert color="yellow" title={words.sql.unable} />
      )}
    </Page>
  );
}
