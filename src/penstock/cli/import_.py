"""`penstock import`: what another server has, taken over with the positions of its syncs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from getpass import getpass
from typing import Annotated, Any

import msgspec
from cyclopts import App, Group, Parameter

from penstock.cli.db import DatabaseUrl
from penstock.cli.declared import Door, Secrets, door_of, read_secrets, show_plan
from penstock.cli.options import Json
from penstock.cli.remote import ServerOptions
from penstock.cli.screen import Screen
from penstock.control.declared.applying import Options
from penstock.control.declared.plan import Plan
from penstock.engine.registry import (
    AIRBYTE_NAMES,
    list_destinations,
    list_sources,
    load_destination_class,
    load_source_class,
)
from penstock.errors import ConfigError, UnknownName
from penstock.sdk.entrypoint import destination_spec, source_spec
from penstock.server.airbyte_api.elsewhere import Credentials, Elsewhere, elsewhere
from penstock.server.airbyte_api.takeover import Takeover, takeover

import_ = App(name="import", help="Take over what an Airbyte server has, positions included.")
_THERE = Group("Airbyte", sort_key=1)


@import_.command
def airbyte(  # noqa: PLR0913 (each argument is an option)
    *,
    url: Annotated[
        str, Parameter(group=_THERE, help="Its address, as http://airbyte.example:8000.")
    ],
    airbyte_token: Annotated[
        str | None,
        Parameter(
            group=_THERE,
            env_var="AIRBYTE_TOKEN",
            help="An access token of it; better given by AIRBYTE_TOKEN.",
        ),
    ] = None,
    client_id: Annotated[
        str | None,
        Parameter(group=_THERE, env_var="AIRBYTE_CLIENT_ID", help="Of an application there."),
    ] = None,
    client_secret: Annotated[
        str | None, Parameter(group=_THERE, env_var="AIRBYTE_CLIENT_SECRET", help="Its secret.")
    ] = None,
    airbyte_workspace: Annotated[
        list[str] | None,
        Parameter(group=_THERE, negative=(), help="Only these of its workspaces, by name or id."),
    ] = None,
    into: Annotated[
        str | None,
        Parameter(help="Name of the workspace here; without it the name it has there."),
    ] = None,
    start: Annotated[
        bool,
        Parameter(negative=(), help="Switch on here what is on there. Switch it off there before."),
    ] = False,
    native: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Take our own sources where there are any, even where the position is lost.",
        ),
    ] = False,
    secrets: Secrets = None,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Only show what would be made, and which secrets miss.")
    ] = False,
    json: Json = False,
    options: ServerOptions | None = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Copies workspaces, sources, destinations, connections, schedules and positions.

    The first run here is incremental. Airbyte does not show secrets: they are asked for, or read
    from --secrets. Nothing is changed there, and connections are switched off here until --start
    or `penstock connection resume`. Done again, it takes over what has changed since; positions
    only of connections that have not run here yet.
    """
    if (client_id is None) != (client_secret is None):
        raise ConfigError(
            "A client id needs its secret.", remedy="Give both --client-id and --client-secret."
        )
    signed = Credentials(token=airbyte_token, client_id=client_id, client_secret=client_secret)
    screen = Screen(is_quiet=json)
    with elsewhere(url, signed) as there:
        held = [there.held(each) for each in _wanted(there, airbyte_workspace, into)]
    chosen = Options(remembers=False, secrets=read_secrets(secrets))
    told: list[dict[str, Any]] = []
    with door_of(options, database_url) as door:
        for one in held:
            each = takeover(
                one,
                _spec_of,
                into=into,
                known=door.added_connectors(into or str(one.workspace["name"])),
                activates=start,
                prefers_native=native,
            )
            plan = door.plan(each.document, chosen)
            if not dry_run:
                if plan.missing_secrets and sys.stdin.isatty():
                    given = {name: getpass(f"{name}: ") for name in plan.missing_secrets}
                    chosen = replace(chosen, secrets={**chosen.secrets, **given})
                plan = door.apply(each.document, chosen)
            states = each.states if dry_run else _set_states(door, each)
            _tell(screen, plan, each, states, is_done=not dry_run)
            told.append(
                {
                    **msgspec.to_builtins(plan),
                    "notes": each.notes,
                    "positions": {name: len(of) for name, of in states.items()},
                }
            )
    if json:
        Screen().write_json(told)


def _wanted(there: Elsewhere, names: list[str] | None, into: str | None) -> list[dict[str, Any]]:
    known = there.workspaces()
    if names:
        found = []
        for name in names:
            same = [each for each in known if name in (each["workspaceId"], each["name"])]
            if not same:
                listed = ", ".join(str(each["name"]) for each in known)
                raise UnknownName(
                    f'Airbyte has no workspace "{name}".', remedy=f"Choose among: {listed}."
                )
            found += same
        known = found
    if into is not None and len(known) > 1:
        raise ConfigError(
            f"{len(known)} workspaces cannot become one.",
            remedy="Choose one by --airbyte-workspace, or leave out --into.",
        )
    return known


def _spec_of(name: str) -> Mapping[str, Any] | None:
    """Returns the settings of a native connector that Airbyte has under this name."""
    kind, _, short = name.partition("-")
    if kind == "source":
        own = f"source-{AIRBYTE_NAMES.get(short, short)}"
        if own != name or own not in {each.name for each in list_sources()}:
            return None
        return source_spec(load_source_class(own)).connection_specification
    if name not in {each.name for each in list_destinations()}:
        return None
    return destination_spec(load_destination_class(name)).connection_specification


def _set_states(door: Door, found: Takeover) -> Mapping[str, list[dict[str, Any]]]:
    """Sets the positions of connections that have not run here, and returns those."""
    workspace = str(found.document["workspace"])
    fresh = {
        name: states for name, states in found.states.items() if not door.has_run(workspace, name)
    }
    for name, states in fresh.items():
        door.set_states(workspace, name, states)
    return fresh


def _tell(
    screen: Screen,
    plan: Plan,
    found: Takeover,
    states: Mapping[str, list[dict[str, Any]]],
    *,
    is_done: bool,
) -> None:
    if screen.is_quiet:
        return
    show_plan(plan, screen, is_done=is_done)
    for name, held in states.items():
        screen.show(f"{name} continues from the {len(held)} position(s) Airbyte had.")
    for name in found.states.keys() - states.keys():
        screen.show(f"{name} has run here already: its position stays.")
    for note in found.notes:
        screen.note(f"note: {note}")
