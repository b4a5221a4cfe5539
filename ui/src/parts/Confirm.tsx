// Asks before something that cannot be taken back.

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { ErrorNotice } from "./Notice";

export function Confirm(props: {
  title: string;
  children: ReactNode;
  yes: string;
  no: string;
  isDangerous?: boolean;
  isPending: boolean;
  error: unknown;
  onYes: () => void;
  onNo: () => void;
}) {
  return (
    <Modal
      opened
      onClose={props.onNo}
      title={<Text fw={700}>{props.title}</Text>}
      closeButtonProps={{ "aria-label": props.no }}
      centered
    >
      <Stack>
        <div>{props.children}</div>
        {props.error != null && <ErrorNotice error={props.error} />}
        <Group justify="end">
          <Button variant="default" onClick={props.onNo} data-autofocus>
            {props.no}
          </Button>
          <Button
            {...(props.isDangerous ? { color: "red" } : {})}
            loading={props.isPending}
            onClick={props.onYes}
          >
            {props.yes}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
