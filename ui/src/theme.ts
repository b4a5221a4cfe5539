// Colours and sizes of all pages, light and dark.

import { createTheme, type CSSVariablesResolver } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "teal",
  // Text in the primary colour keeps a contrast of 4.5 to its ground (WCAG AA).
  primaryShade: { light: 9, dark: 9 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  defaultRadius: "md",
  cursorType: "pointer",
  components: {
    // Choices are drawn when they are opened: a form has hundreds of them.
    Select: { defaultProps: { comboboxProps: { keepMounted: false } } },
    MultiSelect: { defaultProps: { comboboxProps: { keepMounted: false } } },
    TagsInput: { defaultProps: { comboboxProps: { keepMounted: false } } },
    // A page has one banner; the heads of dialogs are none.
    Modal: { defaultProps: { attributes: { header: { role: "presentation" } } } },
    Drawer: { defaultProps: { attributes: { header: { role: "presentation" } } } },
  },
});

const SHADED = ["teal", "green", "blue", "yellow", "orange", "red", "gray"] as const;

/** Colours of text that Mantine takes too light for WCAG AA (4.5 to its ground). */
export const variables: CSSVariablesResolver = (theme) => ({
  // Mantine goes to a lighter shade below the pointer: white on it would be hard to read.
  variables: {
    "--mantine-primary-color-filled-hover": HOVERED.teal,
    ...Object.fromEntries(
      Object.entries(HOVERED).map(([name, color]) => [
        `--mantine-color-${name}-filled-hover`,
        color,
      ]),
    ),
  },
  light: {
    "--mantine-color-teal-light": theme.colors.teal[0],
    "--mantine-color-teal-light-hover": theme.colors.teal[1],
    "--mantine-color-dimmed": theme.colors.gray[7],
    "--mantine-color-placeholder": theme.colors.gray[7],
    "--mantine-color-error": theme.colors.red[9],
    ...Object.fromEntries(
      SHADED.map((name) => [`--mantine-color-${name}-light-color`, DARKEST[name]]),
    ),
  },
  dark: {
    "--mantine-color-dimmed": theme.colors.gray[5],
    "--mantine-color-placeholder": theme.colors.gray[5],
    "--mantine-color-error": theme.colors.red[4],
  },
});

const HOVERED = { teal: "#066b4d", red: "#a51111", blue: "#135a9e" };

/** On their own colour's tenth: yellow and orange need darker ones than the palette has. */
const DARKEST: Record<(typeof SHADED)[number], string> = {
  teal: "#065f46",
  green: "#1b5e20",
  blue: "#0b4f8a",
  yellow: "#6b4a00",
  orange: "#8a3400",
  red: "#a11212",
  gray: "#343a40",
};
