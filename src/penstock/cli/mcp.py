"""`penstock mcp`: answers an assistant over standard input and output, or HTTP on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.configuration import read_config
from penstock.cli.screen import Screen


def mcp(
    *,
    config: Annotated[
        str | None,
        Parameter(help="YAML or JSON file of the sources and caches that may be asked."),
    ] = None,
    allow_writes: Annotated[
        bool,
        Parameter(negative=(), help="Allow syncing into caches, and installing connectors."),
    ] = False,
    http: Annotated[
        int | None,
        Parameter(help="Answer on this port of 127.0.0.1 instead of standard input and output."),
    ] = None,
) -> None:
    """Runs an MCP server: an assistant lists, previews and queries what --config offers.

    Relative paths in the file are from its folder, where a .env file is looked for too.

    Without --allow-writes nothing is written: no sync, no installation. SQL is read-only either
    way. Secrets are never shown to the assistant. Needs `pip install 'penstock[mcp]'`.
    """
    from penstock.library.mcp.offers import Shelf, offers_of  # noqa: PLC0415 (loads pyarrow)
    from penstock.library.mcp.serve import mask_log, over_http, over_stdio  # noqa: PLC0415
    from penstock.library.mcp.server import make_server  # noqa: PLC0415 (an extra)

    offers = offers_of(read_config(config) if config is not None else {})
    if config is not None:
        os.chdir(Path(config).absolute().parent)  # an assistant's program starts it anywhere
    shelf = Shelf(offers, may_install=allow_writes)
    server = make_server(shelf, may_write=allow_writes)
    mask_log(shelf)
    if http is None:
        over_stdio(server)
    else:
        over_http(server, http, announce=Screen().note)
