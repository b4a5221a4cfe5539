"""`penstock check`: whether a source or destination can be reached with its settings."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from penstock.cli.endpoints import ready_destination, ready_source
from penstock.cli.options import DestinationOptions, Json, SourceOptions
from penstock.cli.screen import Screen
from penstock.engine.registry import list_destinations, list_sources


def check(
    name: Annotated[str, Parameter(help="Name of a source or destination, as faker or duckdb.")],
    destination: Annotated[
        str | None, Parameter(help="Name of a destination, to check both.")
    ] = None,
    /,
    *,
    source_options: SourceOptions | None = None,
    destination_options: DestinationOptions | None = None,
    json: Json = False,
) -> None:
    """Proves that a source or destination can be reached with its settings.

    A name that both a source and a destination have is the source's; destination-NAME is the
    other. A destination proves that a table can be made, written and dropped.
    """
    screen = Screen(is_quiet=json)
    if destination is None and is_destination(name):
        name, destination = "", name
    done = []
    if name:
        ready_source(name, source_options, screen).check()
        done.append(name)
    if destination is not None:
        ready_destination(destination, destination_options, screen).destination.check()
        done.append(destination)
    for each in done:
        if json:
            screen.write_json({"name": each, "status": "succeeded"})
        else:
            screen.show(f"✓ {each} can be reached with these settings.")


def is_destination(name: str) -> bool:
    """Tells whether a name means a destination: by its prefix, or as no source has it."""
    if name.startswith("destination-"):
        return True
    if name.startswith("source-") or any(each.name == name for each in list_sources()):
        return False
    return any(each.name == name for each in list_destinations())
