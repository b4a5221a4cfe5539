// Colours and sizes of all pages, light and dark.

import { createTheme } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "teal",
  // Text in the primary colour keeps a contrast of 4.5 to its ground (WCAG AA).
  primaryShade: { light: 9, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  defaultRadius: "md",
  cursorType: "pointer",
});
