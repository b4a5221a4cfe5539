"""Looking at rows without keeping any: the first of a stream, of a table, of a SELECT."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from penstock.data.items import Batch, ErrorTrace
from penstock.data.plain import plain
from penstock.engine.events import ColumnFound, RowsFound, TableFound
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import TableRef
from penstock.engine.shaping.documents import StreamShape
from penstock.errors import ConfigError, ConnectorFailed, PenstockError
from penstock.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream, SyncMode
from penstock.sdk.destination import ConfinesSql, ReadsBack, RunsSql, TableName, Writable

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

_OWN: Final = ("_airbyte_extracted_at", "_airbyte_changes")
_LONGEST_TEXT: Final = 10_000
_LARGEST_ANSWER: Final = 8 << 20


def batches_of_stream(
    runner: SourceRunner,
    config: Mapping[str, Any],
    stream: CatalogStream,
    shape: StreamShape | None = None,
) -> Generator[pa.RecordBatch, None, None]:
    """Yields a stream's batches from its beginning, as they would land.

    The source is stopped when the caller stops. Raises ConnectorFailed for what it fails with.
    """
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
    with closing(shaping), runner.read(config, catalog, ()) as reading:
        for item in reading:
            if isinstance(item, ErrorTrace):
                raise ConnectorFailed(
                    f"{runner.name} failed: {item.error.message}",
                    remedy="Mend what it names and try again.",
                )
            if isinstance(item, Batch):
                landed = shaper.apply(item.rows) if shaper else item.rows
                yield landed.drop_columns([n for n in _OWN if n in landed.schema.names])


def rows_of_stream(
    runner: SourceRunner,
    config: Mapping[str, Any],
    stream: CatalogStream,
    shape: StreamShape | None = None,
) -> Generator[Row, None, None]:
    """Yields a stream's rows as `batches_of_stream` its batches."""
    with closing(batches_of_stream(runner, config, stream, shape)) as batches:
        for batch in batches:
            yield from batch.to_pylist()


def first_rows(
    batches: Iterable[pa.RecordBatch], limit: int, *, schema: pa.Schema | None = None
) -> RowsFound:
    """Returns the first rows of batches as they can be shown; closes an iterator it leaves."""
    columns: dict[str, str] = {}
    rows: list[list[Any]] = []
    size = cut = 0
    is_cut = False
    if schema is not None:
        columns = {field.name: str(field.type) for field in schema}
    for batch in batches:
        # Batches of one stream may differ where it has no schema: columns are added as they come.
        columns |= {f.name: str(f.type) for f in batch.schema if f.name not in columns}
        for row in batch.slice(0, limit + 1 - len(rows)).to_pylist():
            if len(rows) >= limit or size > _LARGEST_ANSWER:
                is_cut = True
                break
            values = [_shortened(plain(row.get(name))) for name in columns]
            cut += sum(is_short for _, is_short in values)
            size += sum(len(str(value)) for value, _ in values)
            rows.append([value for value, _ in values])
        if is_cut:
            break
    close = getattr(batches, "close", None)
    if close is not None:
        close()
    return RowsFound(
        columns=tuple(ColumnFound(name=name, type=kind) for name, kind in columns.items()),
        rows=tuple((*row, *[None] * (len(columns) - len(row))) for row in rows),
        is_cut=is_cut,
        values_cut=cut,
    )


def tables_found(destination: Writable, tables: Sequence[TableRef]) -> tuple[TableFound, ...]:
    """Returns what each table holds; one that cannot be looked at says why."""
    return tuple(_table_found(_reading_back(destination), table) for table in tables)


def rows_of_table(destination: Writable, table: TableRef, limit: int) -> RowsFound:
    """Returns a table's first rows; raises ConfigError when there is no such table."""
    reader = _reading_back(destination).scan(_name_of(table), limit=limit + 1)
    return first_rows(islice(reader, limit + 1), limit, schema=reader.schema)


def confined_rows(destination: Writable, sql: str, *, limit: int, seconds: float) -> RowsFound:
    """Returns the rows of one SELECT that can change nothing, and reach nothing else."""
    if not isinstance(destination, ConfinesSql):
        raise ConfigError(
            "This destination cannot keep SQL from changing something, so none is run there.",
            remedy="Look at its tables instead, or ask it with a tool of its own.",
        )
    found = destination.query_confined(sql, seconds=seconds, rows=limit + 1)
    return first_rows(found.to_batches(), limit, schema=found.schema)


def execute(destination: Writable, statements: Sequence[str]) -> None:
    """Runs SQL in one transaction; it is durable on return."""
    if not isinstance(destination, RunsSql):
        raise ConfigError(
            "This destination takes no SQL.", remedy="Use a hook of another kind, as a webhook."
        )
    destination.execute([(statement, ()) for statement in statements])


def _table_found(destination: ReadsBack, table: TableRef) -> TableFound:
    name = _name_of(table)
    try:
        rows = destination.count(name)
        exists = destination.has_table(name) if isinstance(destination, RunsSql) else None
        newest = _newest(destination, name) if rows and isinstance(destination, RunsSql) else None
    except PenstockError as error:
        return TableFound(name=table.name, namespace=table.namespace, error=error.as_document())
    return TableFound(
        name=table.name,
        namespace=table.namespace,
        exists=True if rows else exists,
        rows=rows,
        newest_at=newest,
    )


def _newest(destination: RunsSql, table: TableName) -> str | None:
    sql = f"SELECT max(_airbyte_extracted_at) AS newest FROM {destination.table_sql(table)}"  # noqa: S608
    with destination.query(sql) as reader:
        found = reader.read_all().to_pylist()
    value = plain(found[0]["newest"]) if found else None
    return None if value is None else str(value)


def _reading_back(destination: Writable) -> ReadsBack:
    if not isinstance(destination, ReadsBack):
        raise ConfigError(
            "This destination does not show what it holds.",
            remedy="Look at its tables with a tool of its own.",
        )
    return destination


def _name_of(table: TableRef) -> TableName:
    return TableName(schema=table.namespace, name=table.name)


def _shortened(value: Any) -> tuple[Any, bool]:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}… ({len(value)} characters)", True
    return value, False
