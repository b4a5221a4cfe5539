// The frame around all pages: the way between them, and who is signed in.

import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  Menu,
  NavLink,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconArrowsRightLeft,
  IconDatabaseExport,
  IconDatabaseImport,
  IconHome,
  IconMoon,
  IconSettings,
  IconSun,
  IconTable,
  IconUserCircle,
} from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";

import { api } from "./api/client";
import { useSession } from "./api/session";
import { words } from "./words";

const PLACES = [
  { to: "/", label: words.places.home, icon: <IconHome size={18} /> },
  { to: "/connections", label: words.places.connections, icon: <IconArrowsRightLeft size={18} /> },
  { to: "/sources", label: words.places.sources, icon: <IconDatabaseExport size={18} /> },
  { to: "/destinations", label: words.places.destinations, icon: <IconDatabaseImport size={18} /> },
  { to: "/data", label: words.places.data, icon: <IconTable size={18} /> },
  { to: "/settings", label: words.places.settings, icon: <IconSettings size={18} /> },
] as const;

export function Frame() {
  const [isOpen, { toggle, close }] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 220, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
      padding="md"
    >
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between">
          <Group gap="sm">
            <Burger
              opened={isOpen}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={words.menu}
            />
            <img src="/icon.svg" alt="" width={26} height={26} />
            <Text fw={700}>{words.product}</Text>
          </Group>
          <Group gap="xs">
            <Appearance />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={words.areas}>
        {PLACES.map((place) => (
          <NavLink
            key={place.to}
            component={Link}
            to={place.to}
            label={place.label}
            leftSection={place.icon}
            active={place.to === "/" ? path === "/" : path.startsWith(place.to)}
            onClick={close}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function Appearance() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={scheme === "dark" ? words.showLight : words.showDark}
      onClick={() => setColorScheme(other)}
    >
      {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
    </ActionIcon>
  );
}

function Account() {
  const { session } = useSession();
  const client = useQueryClient();
  const signOut = async () => {
    await api.DELETE("/api/v1/session");
    client.clear();
    window.location.assign("/");
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={words.account(session.email)}>
          <IconUserCircle size={20} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.email}</Menu.Label>
        <Menu.Label>{words.version(session.version)}</Menu.Label>
        <Menu.Item onClick={() => void signOut()}>{words.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
