// The frame of every page's content: where one is, what it is called, what can be done.

import { Anchor, Breadcrumbs, Group, Stack, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";

export function Page(props: {
  title: string;
  crumbs?: { to: string; label: string }[];
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${props.title} · penstock`;
  }, [props.title]);
  return (
    <Stack gap="lg" maw={1280} mx="auto">
      <div>
        {props.crumbs && (
          <Breadcrumbs mb={4}>
            {props.crumbs.map((crumb) => (
              <Anchor key={crumb.to} size="sm" component={Link} to={crumb.to}>
                {crumb.label}
              </Anchor>
            ))}
          </Breadcrumbs>
        )}
        <Group justify="space-between">
          <Title order={1} size="h2">
            {props.title}
          </Title>
          <Group gap="sm">{props.actions}</Group>
        </Group>
      </div>
      {props.children}
    </Stack>
  );
}
