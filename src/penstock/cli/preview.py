"""`penstock preview`: the first rows of a stream, read and thrown away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstock.cli import figures
from penstock.cli.endpoints import ReadySource, ready_source
from penstock.cli.options import Json, SourceOptions
from penstock.cli.screen import Screen
from penstock.cli.shapes import HELP as SHAPES_HELP
from penstock.cli.shapes import read_shapes
from penstock.data.items import Batch, ErrorTrace
from penstock.engine.catalog import find_stream
from penstock.engine.shaping.documents import StreamShape
from penstock.errors import ConfigError, ConnectorFailed
from penstock.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream, SyncMode

if TYPE_CHECKING:
    from rich.table import Table

_WIDEST_CELL = 32
_NARROWEST_COLUMN = 9
Row = dict[str, Any]


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
    rows = list(islice(read_rows(ready, chosen, shape), limit))
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


def read_rows(
    ready: ReadySource, stream: CatalogStream, shape: StreamShape | None = None
) -> Iterator[Row]:
    """Yields rows of a stream from its beginning; the source is stopped when the caller is."""
    from penstock.engine.shaping.streams import Shaping  # noqa: PLC0415 (loads pyarrow: 150 ms)

    modes = stream.supported_sync_modes
    mode = SyncMode.FULL_REFRESH if SyncMode.FULL_REFRESH in modes else SyncMode.INCREMENTAL
    configured = ConfiguredStream(
        stream=stream,
        sync_mode=mode,
        cursor_field=stream.default_cursor_field,
        primary_key=stream.source_defined_primary_key,
        generation_id=1,
        minimum_generation_id=1,
        sync_id=1,
    )
    shaping = Shaping([configured], [shape] if shape else [])
    shaper = shaping.shaper(stream.descriptor)
    catalog = ConfiguredCatalog(streams=(shaping.asked(configured),))
    with closing(shaping), ready.runner.read(ready.config, catalog, ()) as reading:
        for item in reading:
            if isinstance(item, ErrorTrace):
                raise ConnectorFailed(
                    f"{ready.ref.name} failed: {item.error.message}",
                    remedy="Mend what it names and try again.",
                )
            if isinstance(item, Batch):
                landed = shaper.apply(item.rows) if shaper else item.rows
                for row in landed.to_pylist():
                    yield {
                        name: value
                        for name, value in row.items()
                        if name not in ("_airbyte_extracted_at", "_airbyte_changes")
                    }


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
