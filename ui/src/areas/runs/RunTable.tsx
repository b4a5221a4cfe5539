// Runs in a list, the newest first.

import { Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { Status } from "../../parts/Status";
import { ago, bytes, count } from "../../parts/format";
import { words } from "./words";

export function RunTable({ runs }: { runs: Omit<Schemas["RunShown"], "streams">[] }) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.list.run}</Table.Th>
            <Table.Th>{words.list.connection}</Table.Th>
            <Table.Th>{words.list.status}</Table.Th>
            <Table.Th>{words.list.when}</Table.Th>
            <Table.Th ta="right">{words.list.rows}</Table.Th>
            <Table.Th ta="right">{words.list.volume}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {runs.map((run) => (
            <Table.Tr key={run.id}>
              <Table.Td>
                <Text
                  component={Link}
                  to={`/connections/${run.connection_id}/runs/${run.id}`}
                  fw={600}
                  c="teal"
                >
                  {run.id}
                </Text>
              </Table.Td>
              <Table.Td>{run.connection_name}</Table.Td>
              <Table.Td>
                <Status value={run.status} />
              </Table.Td>
              <Table.Td style={{ whiteSpace: "nowrap" }}>{ago(run.created_at)}</Table.Td>
              <Table.Td ta="right">{count(run.rows_committed)}</Table.Td>
              <Table.Td ta="right">{bytes(run.bytes_committed)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
