// What an event of the timeline says was changed, before and after, in words.

export interface Amendment {
  what: string;
  from?: string;
  to?: string;
}

const LONGEST = 300;

interface SchemaChange {
  transform: string;
  stream: { name: string; namespace: string | null };
  field: string;
  old: unknown;
  new: unknown;
}

export function changesIn(kind: string, data: Record<string, unknown>): Amendment[] {
  const changes = Array.isArray(data.changes) ? (data.changes as unknown[]) : [];
  if (kind.startsWith("schema."))
    return changes.map((each) => {
      const change = each as SchemaChange;
      const place = [change.stream.namespace, change.stream.name, change.field]
        .filter((part) => part != null && part !== "")
        .join(".");
      return {
        what: `${change.transform.replaceAll("_", " ")}: ${place}`,
        ...shown(change.old, change.new),
      };
    });
  return changes.map((each) => {
    const change = each as Record<string, unknown>;
    const path = Array.isArray(change.path) ? (change.path as unknown[]) : [change.path];
    return {
      what: path.map(String).join(" › ").replaceAll("_", " "),
      ...shown(change.before, change.after),
    };
  });
}

function shown(before: unknown, after: unknown): { from?: string; to?: string } {
  return {
    ...(before == null ? {} : { from: text(before) }),
    ...(after == null ? {} : { to: text(after) }),
  };
}

export function text(value: unknown): string {
  const whole = typeof value === "string" ? value : JSON.stringify(value);
  return whole.length > LONGEST ? `${whole.slice(0, LONGEST)}…` : whole;
}
