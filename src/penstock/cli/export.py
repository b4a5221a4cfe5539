"""`penstock export`: a workspace as a configuration file."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.db import DatabaseUrl
from penstock.cli.declared import door_of
from penstock.cli.options import Json
from penstock.cli.remote import ServerOptions
from penstock.cli.screen import Screen

_HEAD = "# yaml-language-server: $schema={}\n"
_SCHEMA = (
    "https://raw.githubusercontent.com/penstock-data/penstock/main/docs/reference/"
    "penstock.schema.json"
)


def export(
    *,
    workspace: Annotated[
        str | None, Parameter(help="Name of the workspace; without it the first.")
    ] = None,
    json: Json = False,
    options: ServerOptions | None = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Writes a workspace as a file that `penstock apply` takes, on standard output.

    No secret is in it: one that the server keeps is written as ${secret:NAME}, and its name told
    on standard error. Applied to the same server it stays what it is; elsewhere give it by
    --secrets.
    """
    from penstock.cli.plain_yaml import write_yaml  # noqa: PLC0415 (30 ms that --json saves)

    with door_of(options, database_url) as door:
        made = door.export(workspace)
    screen = Screen()
    if json:
        screen.write_json(made.document)
    else:
        sys.stdout.write(_HEAD.format(_SCHEMA) + write_yaml(dict(made.document)))
    if made.secrets:
        screen.note("Secrets that are not in it, to be given elsewhere by --secrets:")
        for name in made.secrets:
            screen.note(f"  {name}")
