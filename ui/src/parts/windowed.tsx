// Long tables and lists of which only what is seen is drawn.

import { useVirtualizer } from "@tanstack/react-virtual";
import { Box } from "@mantine/core";
import { useEffect, useRef, type CSSProperties, type ReactNode } from "react";

/** Draws the rows of a table that are in sight; `head` is its `<Table.Thead>`. */
export function WindowedTable<T>(props: {
  label: string;
  rows: readonly T[];
  rowHeight: number;
  /** Anything as CSS has it. */
  maxHeight: number | string;
  /** The table's children, between what is above and what is below. */
  children: (drawn: { row: T; index: number }[], above: ReactNode, below: ReactNode) => ReactNode;
  /** Brings this row into sight when it changes. */
  shownIndex?: number;
}) {
  const { label, rows, rowHeight, maxHeight, children, shownIndex } = props;
  const place = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- its values stay in this component
  const window = useVirtualizer({
    count: rows.length,
    getScrollElement: () => place.current,
    estimateSize: () => rowHeight,
    overscan: 8,
  });
  useEffect(() => {
    if (shownIndex !== undefined && shownIndex >= 0)
      window.scrollToIndex(shownIndex, { align: "center" });
  }, [shownIndex, window]);
  const items = window.getVirtualItems();
  const drawn = items.flatMap(({ index }) => {
    const row = rows[index];
    return row === undefined ? [] : [{ row, index }];
  });
  const above = items[0]?.start ?? 0;
  const below = window.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <Box
      ref={place}
      role="region"
      aria-label={label}
      tabIndex={0}
      style={{ maxHeight, overflow: "auto" }}
    >
      {children(drawn, gap(above, "above"), gap(below, "below"))}
    </Box>
  );
}

function gap(height: number, key: string): ReactNode {
  const style: CSSProperties = { height };
  return height > 0 && <tr key={key} aria-hidden style={style} />;
}
