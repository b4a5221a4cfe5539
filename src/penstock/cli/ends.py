"""What `penstock source` and `penstock destination` have in common: all but their name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from penstock.cli.arguments import settings_of
from penstock.cli.configuration import Given, assemble, secrets_in_flags
from penstock.cli.remote import Server, ServerOptions, server_of
from penstock.cli.runs import plain_table
from penstock.cli.screen import Screen
from penstock.errors import ConfigError, UnknownName

Kind = Literal["source", "destination"]
_STEP_SECONDS = 0.2


def list_ends(kind: Kind, options: ServerOptions | None, *, is_json: bool) -> None:
    """Writes those there are."""
    with server_of(options) as server:
        found = list(server.every(f"/{kind}s"))
    screen = Screen()
    if is_json:
        screen.write_json(found)
        return
    table = plain_table("name", "connector", "connections", "id")
    for each in found:
        table.add_row(each["name"], each["definition_title"], str(each["connections"]), each["id"])
    screen.show(table)


def show_end(kind: Kind, name: str, options: ServerOptions | None, *, is_json: bool) -> None:
    """Writes one with its settings; secrets are masked."""
    with server_of(options) as server:
        found = server.named(kind, name)
    screen = Screen()
    if is_json:
        screen.write_json(found)
        return
    screen.show(f"{found['name']}: {found['definition_title']} ({found['id']})")
    table = plain_table("setting", "value")
    for key, value in found["config"].items():
        table.add_row(key, str(value))
    screen.show(table)


def create_end(
    kind: Kind,
    name: str,
    connector: str,
    given: Given,
    options: ServerOptions | None,
    *,
    workspace: str | None,
    checks: bool,
    is_json: bool,
) -> None:
    """Makes one, after its settings have been tried, and writes it."""
    screen = Screen()
    with server_of(options) as server:
        where = server.workspace(workspace)
        _require_free(server, kind, name, where)
        definition = _definition(server, kind, connector, where)
        spec = server.get(f"/definitions/{definition['id']}/spec")["connection_specification"]
        config = assemble(given, spec)
        for secret in secrets_in_flags(given, spec):
            screen.warn(
                f"--{kind}.{secret} puts a secret where every process list shows it; write "
                f"--{kind}.{secret} '${{env:NAME}}', or use --{kind}-config FILE."
            )
        if checks:
            probe = {"workspace_id": where, "definition_id": definition["id"], "config": config}
            _checked(server, probe, name)
        body = {
            "workspace_id": where,
            "definition_id": definition["id"],
            "name": name,
            "config": config,
        }
        made = server.post(f"/{kind}s", body)
    if is_json:
        screen.write_json(made)
    else:
        screen.show(f"{kind} {made['name']} is made ({made['id']}).")


def check_end(kind: Kind, name: str, options: ServerOptions | None, *, is_json: bool) -> None:
    """Proves that one works; raises what its connector says if not."""
    screen = Screen()
    with server_of(options) as server:
        found = server.named(kind, name)
        _checked(server, {"connector_id": found["id"]}, name)
    if is_json:
        screen.write_json({"id": found["id"], "works": True})
    else:
        screen.show(f"{kind} {found['name']} works.")


def delete_end(kind: Kind, name: str, options: ServerOptions | None) -> None:
    """Removes one that no connection uses."""
    with server_of(options) as server:
        found = server.named(kind, name)
        server.delete(f"/{kind}s/{found['id']}")
    Screen().show(f"{kind} {found['name']} is deleted.")


def given_of(kind: Kind, settings: list[str] | None, file: str | None) -> Given:
    """Returns what was given for one side."""
    return Given(kind, settings_of(settings or ()), file)


def _require_free(server: Server, kind: Kind, name: str, workspace_id: str) -> None:
    for each in server.every(f"/{kind}s", workspace_id=workspace_id):
        if each["name"] == name:
            raise ConfigError(
                f'There is a {kind} "{name}" already.',
                remedy="Choose another name, or change that one: penstock apply.",
            )


def _definition(server: Server, kind: Kind, name: str, workspace_id: str) -> Mapping[str, Any]:
    wanted = name if name.startswith(f"{kind}-") else f"{kind}-{name}"
    known = list(server.every("/definitions", kind=kind, workspace_id=workspace_id))
    for each in known:
        if each["name"] == wanted:
            return each
    names = ", ".join(each["name"].removeprefix(f"{kind}-") for each in known)
    raise UnknownName(
        f'The server has no connector "{wanted}".',
        remedy=f"Choose among: {names}; or add one under `connectors` of penstock.yml.",
    )


def _checked(server: Server, question: Mapping[str, Any], name: str) -> None:
    probe = server.post("/probes/check", question)
    while probe["status"] in ("queued", "running", "waiting"):
        time.sleep(_STEP_SECONDS)
        probe = server.get(f"/probes/{probe['id']}")
    failure = probe["failure"]
    if failure is not None:
        raise ConfigError(f"{name}: {failure['message']}", remedy=failure["remedy"])
