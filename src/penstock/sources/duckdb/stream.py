"""One table or view as a stream: by row numbers, by its key, or by a cursor of the user's choice.

Every reading is one transaction that sees one moment of the database.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from penstock.data.types import Column, stream_schema
from penstock.errors import ConfigError, StateOutdated
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.duckdb.connection import close, connect
from penstock.sdk.duckdb.failures import translated
from penstock.sdk.duckdb.names import literal
from penstock.sdk.duckdb.place import Place
from penstock.sdk.sql.asked import cursor_of, wanted
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.duckdb.catalogue import DEFAULT_SCHEMA, Relation
from penstock.sources.duckdb.columns import SourceColumn, judged, read_array
from penstock.sources.duckdb.position import RowPosition, ValuePosition, position_of

_BATCH_ROWS: Final = 20_480
"""Ten of DuckDB's vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What it takes to open the database."""

    place: Place
    memory_limit_mb: int
    threads: int


@contextmanager
def opened(opening: Opening) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens a connection that can change nothing, and closes it; errors are translated."""
    with tempfile.TemporaryDirectory(prefix="penstock-duckdb-") as folder:
        settings = (
            f"SET memory_limit = '{opening.memory_limit_mb}MB'",
            f"SET threads = {opening.threads}",
            f"SET temp_directory = {literal(folder)}",
            "SET preserve_insertion_order = false",
            "SET TimeZone = 'UTC'",
        )
        place = opening.place
        connection = connect(place, settings, is_read_only=not place.is_cloud)
        try:
            with translated(place):
                yield connection
        finally:
            close(connection, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBStream:
    """A relation, and the database it is read from."""

    opening: Opening
    relation: Relation
    state_rows: int

    @property
    def name(self) -> str:
        return self.relation.name

    @property
    def namespace(self) -> str | None:
        schema = self.relation.schema
        return None if schema == DEFAULT_SCHEMA else schema

    @property
    def json_schema(self) -> Mapping[str, Any]:
        columns = self.relation.columns
        schema = stream_schema(tuple(Column(name=c.name, kind=c.kind) for c in columns))
        for column in columns:
            if column.is_binary:
                schema["properties"][column.name]["contentEncoding"] = "base64"
        return schema

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        return tuple((name,) for name in self.relation.primary_key)

    @property
    def cursor(self) -> PropertyPath | None:
        return None

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        return (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)

    @property
    def is_resumable(self) -> bool:
        return self.relation.is_table and not self.opening.place.is_cloud

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | State]:
        """Yields rows and positions.

        Incremental reads what lies above the last value of the cursor, or, without a cursor, rows
        of larger keys, which are the new ones where rows are only added. Deletions are not seen.
        """
        for item in self._items(request):
            yield item if isinstance(item, State) else judged(item)

    def _items(self, request: ReadRequest) -> Iterator[pa.RecordBatch | State]:
        position = position_of(request.state, str(self.relation))
        order = () if request.mode is SyncMode.FULL_REFRESH else self._order(request)
        with opened(self.opening) as connection:
            connection.execute("BEGIN TRANSACTION")
            reading = _Reading(connection, self, wanted(self.relation.columns, request.fields))
            if request.mode is SyncMode.FULL_REFRESH:
                start = position if isinstance(position, RowPosition) else None
                yield from reading.whole(start)
                return
            names = tuple(column.name for column in order)
            behind = ValuePosition(columns=names)
            if isinstance(position, ValuePosition) and position.columns == names:
                behind = position
            if request.cursor is None:
                yield from reading.beyond_key(behind, order)
            else:
                yield from reading.beyond_cursor(behind, order[0])

    def _order(self, request: ReadRequest) -> tuple[SourceColumn, ...]:
        """Returns the columns that an incremental reading goes by."""
        relation, path = self.relation, request.cursor
        if path is None:
            key = [relation.column(name) for name in relation.primary_key]
            found = tuple(column for column in key if column is not None and column.is_ordered)
            if found and len(found) == len(key):
                return found
            raise ConfigError(
                f"{relation} has no primary key to tell its new rows by.",
                remedy="Choose a cursor for the stream, or read it in full.",
                stream=str(relation),
            )
        cursor = cursor_of(
            relation.columns, path, relation, is_ordered=lambda column: column.is_ordered
        )
        return (cursor,)


class _Reading:
    """One reading inside its transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        stream: DuckDBStream,
        columns: Sequence[SourceColumn],
    ) -> None:
        self._connection = connection
        self._relation = stream.relation
        self._place = stream.opening.place
        self._is_resumable = stream.is_resumable
        self._state_rows = stream.state_rows
        self._columns = columns

    def whole(self, start: RowPosition | None) -> Iterator[pa.RecordBatch | State]:
        """Yields the whole relation, or what is left of it."""
        if not self._is_resumable:
            yield from self._select("", ())
            return
        file = self._file()
        if start is not None and start.row and start.file != file:
            raise StateOutdated(
                f"{self._place} was written to after a reading of {self._relation} was"
                " interrupted: its rows may no longer have the numbers they had.",
                remedy="Reset the stream's state (`penstock state reset`), and it is read anew.",
                stream=str(self._relation),
            )
        query = f"SELECT max(rowid) FROM {self._relation.sql}"  # noqa: S608 (identifiers are quoted)
        last: int | None = self._connection.execute(query).fetchall()[0][0]
        begin = 0 if start is None else start.row
        while last is not None and begin <= last:
            end = begin + self._state_rows
            yield from self._select("WHERE rowid >= ? AND rowid < ?", (begin, end))
            begin = min(end, last + 1)
            yield RowPosition(row=begin, file=file).state()

    def beyond_key(
        self, position: ValuePosition, key: Sequence[SourceColumn]
    ) -> Iterator[pa.RecordBatch | State]:
        """Yields rows of larger keys, in their order."""
        condition = ""
        if position.values is not None:
            names = ", ".join(column.sql for column in key)
            given = ", ".join(f"CAST(? AS {column.type_name})" for column in key)
            condition = f"WHERE ({names}) > ({given})"
        for item in self._in_order(position, key, condition):
            yield item.state() if isinstance(item, ValuePosition) else item

    def beyond_cursor(
        self, position: ValuePosition, cursor: SourceColumn
    ) -> Iterator[pa.RecordBatch | State]:
        """Yields rows above the last value, and those of it unless they are as they were."""
        condition = ""
        if position.values is not None:
            value = f"CAST(? AS {cursor.type_name})"
            condition = f"WHERE {cursor.sql} >= {value} OR {cursor.sql} IS NULL"
            if position.digest == self._digest(cursor, position.values):
                condition = f"WHERE {cursor.sql} > {value}"
        for item in self._in_order(position, (cursor,), condition):
            if isinstance(item, ValuePosition):
                position = item
            yield item.state() if isinstance(item, ValuePosition) else item
        yield replace(position, digest=self._digest(cursor, position.values)).state()

    def _in_order(
        self, position: ValuePosition, order: Sequence[SourceColumn], condition: str
    ) -> Iterator[pa.RecordBatch | ValuePosition]:
        """Yields rows in the order of some columns, and positions; the last is behind all rows.

        Rows of the last value may follow a position, unless the columns are a key.
        """
        names = ", ".join(column.sql for column in order)
        texts = [f"CAST({column.sql} AS VARCHAR)" for column in order]
        clause = f"{condition} ORDER BY {names} NULLS FIRST"
        since, width = 0, len(order)
        for batch in self._select(clause, position.values or (), texts):
            rows = batch.select(range(batch.num_columns - width))
            last = batch.slice(batch.num_rows - 1).select(
                range(rows.num_columns, rows.num_columns + width)
            )
            values = [array[0].as_py() for array in last.columns]
            yield rows
            since += batch.num_rows
            if None not in values:
                position = replace(position, values=tuple(values), digest=None)
            if since >= self._state_rows:
                since = 0
                yield position
        yield position

    def _select(
        self, clause: str, parameters: Sequence[object], texts: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows wanted, and behind them the texts asked for."""
        asked = [expression for column in self._columns for expression in column.asked_for()]
        query = f"SELECT {', '.join([*asked, *texts])} FROM {self._relation.sql} {clause}"  # noqa: S608 (identifiers are quoted)
        found = self._connection.sql(query, params=list(parameters) or None)
        with found.to_arrow_reader(_BATCH_ROWS) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield self._read(batch, len(texts))

    def _read(self, batch: pa.RecordBatch, texts: int) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        place = 0
        for column in self._columns:
            width = len(column.asked_for())
            odd = batch.column(place + 1) if width > 1 else None
            arrays.append(read_array(column, batch.column(place), odd))
            place += width
        names = [column.name for column in self._columns]
        names += [f"_penstock_order_{number}" for number in range(texts)]
        arrays += batch.columns[place:]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _digest(self, cursor: SourceColumn, values: Sequence[str] | None) -> str:
        """Returns what changes when a row of the last value, or one without any, comes or goes."""
        condition = f"{cursor.sql} IS NULL"
        if values is not None:
            condition += f" OR {cursor.sql} = CAST(? AS {cursor.type_name})"
        query = f"SELECT count(*), sum(hash(t)) FROM {self._relation.sql} AS t WHERE {condition}"  # noqa: S608 (the same)
        rows = self._connection.execute(query, list(values or ())).fetchall()
        count, total = rows[0]
        return f"{count}:{total or 0}"

    def _file(self) -> str:
        """Returns what is no longer the same after the file was written to."""
        path = self._place.path
        seen = [path.stat()]
        log = path.with_name(path.name + ".wal")
        if log.exists():
            seen.append(log.stat())
        return " ".join(f"{each.st_size}@{each.st_mtime_ns}" for each in seen)
