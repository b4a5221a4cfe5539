// The receipt of a run, and the only judge of whether it proves that everything arrived.

import { words as all } from "./words";

const words = all.proof;

export interface StreamProof {
  table: string;
  stream: { name: string; namespace?: string };
  status: string;
  rows_read?: number;
  rows_filtered?: number;
  rows_sent?: number;
  rows_committed?: number;
}

export interface Proof {
  outcome: string;
  seconds: number;
  streams?: StreamProof[];
}

/** Tells whether every row read was sent and committed, those filtered on request apart. */
export function isProved(stream: StreamProof): boolean {
  const sent = stream.rows_sent ?? 0;
  const due = (stream.rows_read ?? 0) - (stream.rows_filtered ?? 0);
  return stream.status === "complete" && due === sent && sent === (stream.rows_committed ?? 0);
}

/** Says in words what a receipt proves. */
export function verdictOf(proof: Proof): { isProved: boolean; words: string } {
  const streams = proof.streams ?? [];
  const unproved = streams.filter((stream) => !isProved(stream));
  if (proof.outcome !== "succeeded" || unproved.length > 0) {
    const tables = unproved.map((stream) => stream.table).join(", ");
    return { isProved: false, words: words.unproved(tables) };
  }
  const isFiltered = streams.some((stream) => (stream.rows_filtered ?? 0) > 0);
  return { isProved: true, words: isFiltered ? words.provedFiltered : words.proved };
}
