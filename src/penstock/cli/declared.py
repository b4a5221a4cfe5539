"""Configuration as code on the command line: the file read, the door to it, a plan shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
from cyclopts import Parameter

from penstock.cli.configuration import read_config
from penstock.cli.db import DatabaseUrl, server_folder
from penstock.cli.remote import Server, ServerOptions, server_of
from penstock.cli.screen import Screen
from penstock.control.declared.applying import Options
from penstock.control.declared.declaring import Exported
from penstock.control.declared.plan import Action, Change, Origin, Plan
from penstock.engine.registry import list_destinations, list_sources
from penstock.errors import ConfigError
from penstock.version import __version__

FILE = "penstock.yml"
File = Annotated[str, Parameter(show_default=True, help="YAML or JSON; - is standard input.")]
Secrets = Annotated[
    str | None,
    Parameter(help="File of NAME: value, for the ${secret:NAME} that the server is to keep."),
]
_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.DELETE: "-",
}


class Door(Protocol):
    """Configuration as code, on this machine's files or by a server's API."""

    def export(self, workspace: str | None) -> Exported: ...

    def plan(self, document: Mapping[str, Any], options: Options) -> Plan: ...

    def apply(self, document: Mapping[str, Any], options: Options) -> Plan: ...

    def set_states(
        self, workspace: str | None, connection: str, states: list[dict[str, Any]]
    ) -> None: ...

    def has_run(self, workspace: str | None, connection: str) -> bool: ...

    def added_connectors(self, workspace: str | None) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class _ByFiles:
    """The database opened here; a server that runs on it sees what was done."""

    plane: Any

    def export(self, workspace: str | None) -> Exported:
        made: Exported = self.plane.declaring.export(workspace)
        return made

    def plan(self, document: Mapping[str, Any], options: Options) -> Plan:
        made: Plan = self.plane.declaring.plan(document, options)
        return made

    def apply(self, document: Mapping[str, Any], options: Options) -> Plan:
        made: Plan = self.plane.declaring.apply(document, options, actor="command line")
        return made

    def set_states(
        self, workspace: str | None, connection: str, states: list[dict[str, Any]]
    ) -> None:
        from penstock.protocol.codec import decode_states  # noqa: PLC0415

        given = decode_states(msgspec.json.encode(states))
        self.plane.configuring.set_states(
            self._id(workspace, connection), given, actor="command line"
        )

    def has_run(self, workspace: str | None, connection: str) -> bool:
        from penstock.control.store.states import of_connection  # noqa: PLC0415

        with self.plane.store.read() as tx:
            known = of_connection(tx, self._id(workspace, connection))
        return any(not each.is_override for each in known)

    def added_connectors(self, workspace: str | None) -> frozenset[str]:
        from penstock.control.store import Window, definitions  # noqa: PLC0415

        where = self.plane.declaring.workspace(workspace)
        with self.plane.store.read() as tx:
            found = definitions.list_(
                tx,
                Window(limit=100_000),
                workspace_id=where.id if where else None,
                only_custom=True,
            )
        return frozenset(each.name for each in found.items)

    def _id(self, workspace: str | None, connection: str) -> str:
        from penstock.control.store import connections  # noqa: PLC0415

        found = self.plane.declaring.workspace(workspace)
        with self.plane.store.read() as tx:
            return connections.named(tx, found.id, connection)[0].id


@dataclass(frozen=True, slots=True)
class _ByServer:
    """A server asked over HTTP."""

    server: Server

    def export(self, workspace: str | None) -> Exported:
        made = self.server.get("/configuration/export", workspace=workspace)
        return Exported(document=made["document"], secrets=tuple(made["secrets"]))

    def plan(self, document: Mapping[str, Any], options: Options) -> Plan:
        return self._planned("plan", document, options)

    def apply(self, document: Mapping[str, Any], options: Options) -> Plan:
        return self._planned("apply", document, options)

    def set_states(
        self, workspace: str | None, connection: str, states: list[dict[str, Any]]
    ) -> None:
        self.server.put(
            f"/connections/{self._id(workspace, connection)}/states", {"states": states}
        )

    def has_run(self, workspace: str | None, connection: str) -> bool:
        known = self.server.get(f"/connections/{self._id(workspace, connection)}/states")
        return any(not each["is_override"] for each in known)

    def added_connectors(self, workspace: str | None) -> frozenset[str]:
        where = [
            each["id"] for each in self.server.every("/workspaces") if each["name"] == workspace
        ]
        found = self.server.every("/definitions", workspace_id=where[0] if where else None)
        return frozenset(each["name"] for each in found if each["is_custom"])

    def _id(self, workspace: str | None, connection: str) -> str:
        where = self.server.workspace(workspace)
        return str(self.server.named("connection", connection, workspace_id=where)["id"])

    def _planned(self, what: str, document: Mapping[str, Any], options: Options) -> Plan:
        body = {
            "document": document,
            "prune": options.prunes,
            "allow_reset": options.allows_reset,
            "remember": options.remembers,
            "secrets": options.secrets,
        }
        return msgspec.convert(self.server.post(f"/configuration/{what}", body), Plan)


@contextmanager
def door_of(options: ServerOptions | None, database_url: DatabaseUrl) -> Iterator[Door]:
    """Gives the server's door where one is named, else that of the files on this machine."""
    options = options or ServerOptions()
    if options.server is not None:
        with server_of(options) as server:
            yield _ByServer(server)
        return
    from penstock.control.builtin import first_workspace, offer  # noqa: PLC0415 (slow to load)
    from penstock.control.service import Setup, open_control_plane  # noqa: PLC0415

    folder = server_folder(options.data_dir)
    plane = open_control_plane(
        Setup(data_dir=folder, database_url=database_url, version=__version__)
    )
    try:
        now = plane.house.clock()
        offer(plane.store, offers(), now=now)
        first_workspace(plane.store, now=now)
        yield _ByFiles(plane)
    finally:
        plane.store.close()


def offers() -> list[Any]:
    """Returns the connectors this installation has, as the control plane is told of them."""
    from penstock.control.builtin import Offer  # noqa: PLC0415 (slow to load)
    from penstock.control.model import ConnectorKind  # noqa: PLC0415

    return [
        Offer(kind=ConnectorKind(kind), name=each.name, title=each.title)
        for kind, listed in (("source", list_sources()), ("destination", list_destinations()))
        for each in listed
    ]


def read_secrets(file: str | None) -> dict[str, Any]:
    """Returns the secrets in a file; refuses one that others can read."""
    if file is None:
        return {}
    path = Path(file).expanduser()
    if file != "-" and path.exists() and path.stat().st_mode & 0o077:
        raise ConfigError(f"The file {file} can be read by others.", remedy=f"chmod 600 {file}")
    return read_config(file)


def show_plan(plan: Plan, screen: Screen, *, is_done: bool = False) -> None:
    """Writes a plan as people read it: a line an object, a line a setting."""
    lines = [f"workspace {plan.workspace}"]
    for change in plan.changes:
        lines += _change_lines(change)
    if plan.kept:
        lines.append("left out of the file, and kept (--prune deletes): " + ", ".join(plan.kept))
    if plan.unmanaged:
        lines.append("not of any file, and left alone: " + ", ".join(plan.unmanaged))
    if plan.missing_secrets:
        lines.append("secrets to be given by --secrets: " + ", ".join(plan.missing_secrets))
    counts = dict.fromkeys(Action, 0)
    for change in plan.changes:
        counts[change.action] += 1
    if plan.changes:
        verbs = ("created", "changed", "replaced", "deleted")
        told = [f"{n} {verb}" for n, verb in zip(counts.values(), verbs, strict=True) if n]
        lines.append(f"{', '.join(told)}{'' if is_done else ' when it is applied'}.")
    else:
        lines.append("Everything is as the file says.")
    screen.show("\n".join(lines))


def _change_lines(change: Change) -> Iterator[str]:
    after = " (somebody has deleted it)" if change.was_removed else ""
    yield f"{_SIGNS[change.action]} {change.kind} {change.name}{after}"
    for each in change.differences:
        origin = {
            Origin.FILE: "",
            Origin.DRIFT: "  ← changed by hand since the last apply",
            Origin.BOTH: "  ← changed by hand, and in the file",
        }[each.origin]
        yield f"    {each.path or change.kind}: {_shown(each.now)} → {_shown(each.file)}{origin}"
    if change.resets:
        streams = "all streams" if change.resets == ("*",) else ", ".join(change.resets)
        yield f"    ! read anew, from the beginning: {streams} (needs --allow-reset)"


def _shown(value: Any) -> str:
    return "—" if value is None else json.dumps(value, ensure_ascii=False)
