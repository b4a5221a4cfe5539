"""`penstock discover`: the streams of a source, or the columns of one."""

from __future__ import annotations

import json as json_text
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.endpoints import ready_source
from penstock.cli.listing import columns_table, streams_table
from penstock.cli.options import Json, SourceOptions
from penstock.cli.screen import Screen
from penstock.engine.catalog import find_stream
from penstock.protocol.codec import encode


def discover(
    source: Annotated[str, Parameter(help="Name of the source.")],
    stream: Annotated[str | None, Parameter(help="Show the columns of this stream.")] = None,
    /,
    *,
    source_options: SourceOptions | None = None,
    json: Json = False,
) -> None:
    """Lists the streams of a source, or the columns of one.

    --json writes the catalogue as the Airbyte protocol spells it.
    """
    screen = Screen(is_quiet=json)
    catalog = ready_source(source, source_options, screen).discover()
    found = find_stream(catalog, stream) if stream is not None else None
    if json:
        screen.write_json(json_text.loads(encode(found or catalog)))
    elif found is not None:
        from penstock.data.types import columns_of  # noqa: PLC0415 (loads pyarrow: 150 ms)

        screen.show(columns_table(found, columns_of(found.json_schema)))
    else:
        screen.show(streams_table(catalog))
