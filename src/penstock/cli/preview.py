"""`penstock preview`: the first rows of a stream, read and thrown away."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstock.cli import figures
from penstock.cli.endpoints import ready_source
from penstock.cli.options import Json, SourceOptions
from penstock.cli.screen import Screen
from penstock.cli.shapes import HELP as SHAPES_HELP
from penstock.cli.shapes import read_shapes
from penstock.engine.catalog import find_stream
from penstock.engine.looking import Row, rows_of_stream
from penstock.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

_WIDEST_CELL = 32
_NARROWEST_COLUMN = 9


def preview(
    source: Annotated[str, Parameter(help="Name of the source.")],
    stream: Annotated[
        str | None, Parameter(help="Name of the stream; may be left out when there is only one.")
    ] = None,
    /,
    *,
    source_options: SourceOptions | None = None,
    limit: Annotated[int, Parameter(show_default=True, help="How many rows at most.")] = 10,
    shapes: Annotated[str | None, Parameter(help=SHAPES_HELP)] = None,
    json: Json = False,
) -> None:
    """Shows the first rows of a stream; nothing is written or remembered.

    With --shapes, as they would land.

    --json writes them whole, one JSON line a row.
    """
    screen = Screen(is_quiet=json)
    if limit < 1:
        raise ConfigError(f"--limit is {limit}.", remedy="Ask for one row or more.")
    ready = ready_source(source, source_options, screen)
    catalog = ready.discover()
    if stream is None and len(catalog.streams) != 1:
        names = ", ".join(str(each.descriptor) for each in catalog.streams)
        raise ConfigError(f"{source} has several streams.", remedy=f"Name one: {names}.")
    chosen = catalog.streams[0] if stream is None else find_stream(catalog, stream)
    shape = next((s for s in read_shapes(shapes) if s.stream == chosen.descriptor), None)
    with closing(rows_of_stream(ready.runner, ready.config, chosen, shape)) as found:
        rows = list(islice(found, limit))
    if json:
        for row in rows:
            screen.write_json(row)
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not rows:
        from penstock.data.types import columns_of  # noqa: PLC0415 (loads pyarrow: 150 ms)

        columns = [column.name for column in columns_of(chosen.json_schema)]
    shown, hidden = _fitting(columns, rows)
    screen.show(_table(shown, rows))
    if hidden:
        screen.note(f"and {figures.count_of(len(hidden), 'more column')}: {', '.join(hidden)}")


def _fitting(names: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Returns the columns that have room side by side, and the others."""
    room = shutil.get_terminal_size().columns
    shown: list[str] = []
    for name in names:
        width = max([_NARROWEST_COLUMN, len(name), *(len(_text(row.get(name))) for row in rows)])
        room -= min(width, _WIDEST_CELL) + 2
        if shown and room < 0:
            break
        shown.append(name)
    return shown, list(names[len(shown) :])


def _table(names: Sequence[str], rows: Sequence[Row]) -> Table:
    from rich.table import Table  # noqa: PLC0415 (75 ms, and --json never needs it)

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, max_width=_WIDEST_CELL, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(_text(row.get(name)) for name in names))
    return table


def _text(value: Any) -> str:
    """Returns a value on one line; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    return str(value).replace("\r", "").replace("\n", "⏎")
