// A part of a page that scrolls by itself, also by keyboard.

import { Box } from "@mantine/core";
import type { ReactNode } from "react";

export function Tall(props: { label: string; maxHeight?: number | string; children: ReactNode }) {
  return (
    <Box
      role="region"
      aria-label={props.label}
      tabIndex={0}
      style={{ maxHeight: props.maxHeight ?? 420, overflow: "auto" }}
    >
      {props.children}
    </Box>
  );
}
