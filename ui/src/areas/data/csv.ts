// Rows as a CSV file (RFC 4180): every value exact, null told from the empty text.

import type { Schemas } from "../../api/client";

/** Returns the text of the file; null is nothing, an empty text is `""`. */
export function csvOf(rows: Pick<Schemas["RowsShown"], "columns" | "rows">): string {
  const lines = [rows.columns.map((column) => quoted(column.name)), ...rows.rows.map(cells)];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

function cells(row: unknown[]): string[] {
  return row.map((value) => {
    if (value === null || value === undefined) return "";
    return quoted(typeof value === "string" ? value : JSON.stringify(value));
  });
}

function quoted(text: string): string {
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
