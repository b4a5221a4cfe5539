// A secret that is shown this once, to be copied.

import { Button, CopyButton, Group, TextInput } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

export function Secret(props: { label: string; value: string; copy: string; copied: string }) {
  return (
    <Group align="end" wrap="nowrap">
      <TextInput
        label={props.label}
        value={props.value}
        readOnly
        flex={1}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        // Where a browser lets no page copy (plain HTTP), it is at least selected.
        onFocus={(event) => event.currentTarget.select()}
      />
      <CopyButton value={props.value} timeout={3000}>
        {({ copied, copy }) => (
          <Button
            variant="default"
            leftSection={copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            onClick={copy}
          >
            {copied ? props.copied : props.copy}
          </Button>
        )}
      </CopyButton>
    </Group>
  );
}
