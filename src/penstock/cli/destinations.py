"""`penstock destinations`: which there are, and the settings of one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from penstock.cli.endpoints import destination_ref
from penstock.cli.listing import connectors_table, settings_table, spec_document
from penstock.cli.options import DestinationOptions, Json
from penstock.cli.screen import Screen
from penstock.engine.registry import destination_runner, list_destinations


def destinations(
    name: Annotated[str | None, Parameter(help="Show the settings of this one.")] = None,
    /,
    *,
    options: DestinationOptions | None = None,
    airbyte: Annotated[
        bool,
        Parameter(negative=(), help="List those of Airbyte's registry too; it may be fetched."),
    ] = False,
    json: Json = False,
) -> None:
    """Lists the destinations, or the settings of one.

    A connector that is not native is installed first, into an environment of its own.
    """
    screen = Screen()
    if name is None:
        listed = list_destinations(airbyte=airbyte)
        if json:
            screen.write_json(list(listed))
        else:
            screen.show(connectors_table(listed))
            if not airbyte:
                screen.note("Any Airbyte destination can be named too (--airbyte lists them).")
        return
    spec = destination_runner(destination_ref(name, options or DestinationOptions())).spec()
    if json:
        screen.write_json(spec_document(spec))
    else:
        screen.show(settings_table(spec, side="destination"))
