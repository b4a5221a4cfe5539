"""`penstock destination`: the destinations of a server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.ends import check_end, create_end, delete_end, given_of, list_ends, show_end
from penstock.cli.options import DESTINATION, Json
from penstock.cli.remote import ServerOptions

destination = App(
    name="destination", help="Make, list, check and remove the server's destinations."
)

Name = Annotated[str, Parameter(help="Name or id of the destination.")]


@destination.command(name="list")
def list_(*, json: Json = False, options: ServerOptions | None = None) -> None:
    """Lists the server's destinations."""
    list_ends("destination", options, is_json=json)


@destination.command
def show(name: Name, /, *, json: Json = False, options: ServerOptions | None = None) -> None:
    """Shows a destination and its settings; secrets are masked."""
    show_end("destination", name, options, is_json=json)


@destination.command
def create(
    name: Annotated[str, Parameter(help="What it is to be called.")],
    connector: Annotated[
        str, Parameter(help="Its connector, as `penstock destinations` lists them.")
    ],
    /,
    *,
    settings: Annotated[
        list[str] | None,
        Parameter(
            name="--destination.KEY",
            group=DESTINATION,
            negative=(),
            help="A setting by its name, as for `penstock sync`. Write ${env:X} for a secret "
            "of the server's environment; any other is encrypted when it arrives.",
        ),
    ] = None,
    destination_config: Annotated[
        str | None,
        Parameter(
            group=DESTINATION,
            allow_leading_hyphen=True,
            help="Settings from a JSON or YAML file; - is standard input.",
        ),
    ] = None,
    workspace: Annotated[
        str | None, Parameter(help="Name of the workspace; without it the first.")
    ] = None,
    check: Annotated[bool, Parameter(help="Prove first that it works.")] = True,
    json: Json = False,
    options: ServerOptions | None = None,
) -> None:
    """Makes a destination on the server, once its settings have been proved to work."""
    create_end(
        "destination",
        name,
        connector,
        given_of("destination", settings, destination_config),
        options,
        workspace=workspace,
        checks=check,
        is_json=json,
    )


@destination.command
def check(name: Name, /, *, json: Json = False, options: ServerOptions | None = None) -> None:
    """Proves that a destination works."""
    check_end("destination", name, options, is_json=json)


@destination.command
def delete(name: Name, /, *, options: ServerOptions | None = None) -> None:
    """Removes a destination that no connection uses, and its secrets."""
    delete_end("destination", name, options)
