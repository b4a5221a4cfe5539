"""`penstock apply`: a workspace made as a configuration file says."""

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


def apply(
    file: File = FILE,
    /,
    *,
    prune: Annotated[
        bool,
        Parameter(negative=(), help="Delete what a file had made and this one leaves out."),
    ] = False,
    allow_reset: Annotated[
        bool,
        Parameter(negative=(), help="Let streams begin anew whose position a change ends."),
    ] = False,
    secrets: Secrets = None,
    json: Json = False,
    options: ServerOptions | None = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Makes sources, destinations and connections as a file says; shows what was done.

    What was changed by hand is set back. Nothing is deleted without --prune, and no stream loses
    its position without --allow-reset. Applied again, it changes nothing.
    """
    document = read_config(file)
    chosen = Options(prunes=prune, allows_reset=allow_reset, secrets=read_secrets(secrets))
    with door_of(options, database_url) as door:
        done = door.apply(document, chosen)
    screen = Screen()
    if json:
        screen.write_json(msgspec.to_builtins(done))
    else:
        show_plan(done, screen, is_done=True)
