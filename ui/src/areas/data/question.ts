// The SQL that a page proposes: names as a destination reads them, quoted only where they must be.

/** Returns a SELECT of some rows of a table. */
export function someRows(schema: string | null, table: string): string {
  const name = [...(schema === null ? [] : [schema]), table].map(named).join(".");
  return `SELECT *\nFROM ${name}\nLIMIT 100`;
}

function named(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}

/** Words that are no names without quotes in PostgreSQL or DuckDB, and that tables are called. */
const RESERVED = new Set([
  "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case",
  "cast", "check", "collate", "column", "constraint", "create", "current_date", "current_role",
  "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "describe",
  "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant",
  "group", "having", "in", "initially", "intersect", "into", "lambda", "lateral", "leading", "limit",
  "localtime", "localtimestamp", "not", "null", "offset", "on", "only", "or", "order", "pivot",
  "placing", "primary", "qualify", "references", "returning", "select", "session_user", "show",
  "some", "summarize", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique",
  "unpivot", "user", "using", "variadic", "when", "where", "window", "with",
]); // prettier-ignore
