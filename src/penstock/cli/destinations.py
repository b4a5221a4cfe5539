"""`penstock destinations`: which there are, and the settings of one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from penstock.cli.listing import connectors_table, settings_table, spec_document
from penstock.cli.options import Json
from penstock.cli.screen import Screen
from penstock.engine.registry import list_destinations, load_destination_class
from penstock.sdk.config import spec_of


def destinations(
    name: Annotated[str | None, Parameter(help="Show the settings of this one.")] = None,
    /,
    *,
    json: Json = False,
) -> None:
    """Lists the destinations, or the settings of one."""
    screen = Screen()
    if name is None:
        listed = list_destinations()
        if json:
            screen.write_json(list(listed))
        else:
            screen.show(connectors_table(listed))
        return
    connector = load_destination_class(name)
    spec = spec_of(connector.Config, documentation_url=connector.documentation_url)
    if json:
        screen.write_json(spec_document(spec))
    else:
        screen.show(settings_table(spec, side="destination"))
