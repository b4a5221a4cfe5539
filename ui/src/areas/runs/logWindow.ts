// The part of a log that is at hand: a few megabytes of perhaps a hundred, wherever one looks.

import type { Schemas } from "../../api/client";

export type Line = Schemas["LogLine"];

/** One row on the screen; a message of several lines is several rows with one address. */
export interface Row {
  line: Line;
  text: string;
  isFirst: boolean;
}

export interface Block {
  /** In bytes of the log; lines that a filter leaves out are between them too. */
  begin: number;
  end: number;
  rows: Row[];
}

/** Adjoining blocks in the log's order. */
export interface LogWindow {
  blocks: Block[];
  size: number;
}

export const NOTHING: LogWindow = { blocks: [], size: 0 };
/** Beyond so many rows those farthest from where one looks are let go. */
export const MOST_ROWS = 60_000;
const LONGEST_TEXT = 2_000;

export function blockOf(begin: number, end: number, lines: readonly Line[]): Block {
  return { begin, end, rows: lines.flatMap(rowsOf) };
}

function rowsOf(line: Line): Row[] {
  return line.message.split("\n").map((text, at) => ({
    line,
    text: text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text,
    isFirst: at === 0,
  }));
}

/** Adds what comes after; what does not adjoin (it came twice) is left out. */
export function withNext(window: LogWindow, block: Block, size: number): LogWindow {
  const last = window.blocks.at(-1);
  if (last && block.begin !== last.end) return window;
  if (block.end === block.begin) return { ...window, size };
  const merged =
    last && last.rows.length + block.rows.length < MOST_ROWS / 8
      ? [
          ...window.blocks.slice(0, -1),
          { begin: last.begin, end: block.end, rows: [...last.rows, ...block.rows] },
        ]
      : [...window.blocks, block];
  let kept = merged;
  while (kept.length > 1 && rowCount(kept) > MOST_ROWS) kept = kept.slice(1);
  return { blocks: kept, size: Math.max(size, block.end) };
}

/** Adds what comes before. */
export function withPrevious(window: LogWindow, block: Block, size: number): LogWindow {
  const first = window.blocks[0];
  if (first && block.end !== first.begin) return window;
  let kept = [block, ...window.blocks];
  while (kept.length > 1 && rowCount(kept) > MOST_ROWS) kept = kept.slice(0, -1);
  return { blocks: kept, size };
}

export const beginOf = (window: LogWindow) => window.blocks[0]?.begin ?? 0;
export const endOf = (window: LogWindow) => window.blocks.at(-1)?.end ?? 0;
export const allRows = (window: LogWindow) => window.blocks.flatMap((block) => block.rows);

function rowCount(blocks: Block[]): number {
  return blocks.reduce((sum, block) => sum + block.rows.length, 0);
}

export interface Wanted {
  search: string;
  level: string;
  origin: string;
}

const AT_LEAST: Record<string, string[]> = {
  WARN: ["WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"],
  ERROR: ["ERROR", "FATAL", "CRITICAL"],
};

export const levelsOf = (wanted: Wanted) => AT_LEAST[wanted.level] ?? [];
export const isFiltered = (wanted: Wanted) =>
  wanted.search !== "" || wanted.level !== "all" || wanted.origin !== "all";
