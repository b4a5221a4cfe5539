"""`penstock source`: the sources of a server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.ends import check_end, create_end, delete_end, given_of, list_ends, show_end
from penstock.cli.options import SOURCE, Json
from penstock.cli.remote import ServerOptions

source = App(name="source", help="Make, list, check and remove the server's sources.")

Name = Annotated[str, Parameter(help="Name or id of the source.")]


@source.command(name="list")
def list_(*, json: Json = False, options: ServerOptions | None = None) -> None:
    """Lists the server's sources."""
    list_ends("source", options, is_json=json)


@source.command
def show(name: Name, /, *, json: Json = False, options: ServerOptions | None = None) -> None:
    """Shows a source and its settings; secrets are masked."""
    show_end("source", name, options, is_json=json)


@source.command
def create(
    name: Annotated[str, Parameter(help="What it is to be called.")],
    connector: Annotated[str, Parameter(help="Its connector, as `penstock sources` lists them.")],
    /,
    *,
    settings: Annotated[
        list[str] | None,
        Parameter(
            name="--source.KEY",
            group=SOURCE,
            negative=(),
            help="A setting by its name, as for `penstock sync`. Write ${env:X} for a secret "
            "of the server's environment; any other is encrypted when it arrives.",
        ),
    ] = None,
    source_config: Annotated[
        str | None,
        Parameter(
            group=SOURCE,
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
    """Makes a source on the server, once its settings have been proved to work."""
    create_end(
        "source",
        name,
        connector,
        given_of("source", settings, source_config),
        options,
        workspace=workspace,
        checks=check,
        is_json=json,
    )


@source.command
def check(name: Name, /, *, json: Json = False, options: ServerOptions | None = None) -> None:
    """Proves that a source works."""
    check_end("source", name, options, is_json=json)


@source.command
def delete(name: Name, /, *, options: ServerOptions | None = None) -> None:
    """Removes a source that no connection uses, and its secrets."""
    delete_end("source", name, options)
