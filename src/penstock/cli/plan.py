"""`penstock plan`: what applying a configuration file would change."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from penstock.cli.configuration import read_config
from penstock.cli.db import DatabaseUrl
from penstock.cli.declared import FILE, File, Secrets, door_of, read_secrets, show_plan
from penstock.cli.options import Json
from penstock.cli.remote import ServerOptions
from penstock.cli.screen import Screen
from penstock.control.declared.applying import Options


def plan(
    file: File = FILE,
    /,
    *,
    prune: Annotated[bool, Parameter(negative=(), help="Show also what would be deleted.")] = False,
    secrets: Secrets = None,
    exit_code: Annotated[
        bool, Parameter(negative=(), help="End with status 1 when there is any difference.")
    ] = False,
    json: Json = False,
    options: ServerOptions | None = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Shows what `penstock apply` would change, and what was changed by hand since.

    Three sides are compared: the file, what there is, and what a file last set. Without --server
    the database in the data folder is opened, whether or not a server runs on it.
    """
    document = read_config(file)
    chosen = Options(prunes=prune, secrets=read_secrets(secrets))
    with door_of(options, database_url) as door:
        found = door.plan(document, chosen)
    screen = Screen()
    if json:
        screen.write_json(msgspec.to_builtins(found))
    else:
        show_plan(found, screen)
    return 1 if exit_code and found.changes else 0
