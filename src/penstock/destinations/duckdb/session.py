"""One connection to a DuckDB file, with every error of the driver translated at the border."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from penstock.data.arrays import Ascending
from penstock.destinations.duckdb.dialect import (
    ROW,
    insert,
    kind_of_type,
    staging_mark,
)
from penstock.errors import ConfigError
from penstock.sdk.destination import TableName
from penstock.sdk.duckdb.connection import close, connect
from penstock.sdk.duckdb.failures import translated
from penstock.sdk.duckdb.place import Place
from penstock.sdk.sql.dialect import Load, TableColumn
from penstock.sdk.sql.row_ids import first_row_id

_SMALL_BATCHES: Final = 64
"""More batches than this in one INSERT are copied together first: each costs a scan of its own."""

_STORAGE_VERSION: Final = re.compile(r"v(\d+)\.(\d+)")
_ZSTD_SINCE: Final = (1, 2)
"""Storage version; an older file refuses such a table (duckdb.org/docs, "Storage Versions")."""


class DuckDBSession:
    """One connection; connections of one process to one file share DuckDB's instance of it."""

    def __init__(
        self,
        place: Place,
        default_schema: str,
        settings: Sequence[str] = (),
        *,
        is_read_only: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """`config` holds from the first moment on; `settings` are statements run after that."""
        self._place = place
        self._default_schema = default_schema
        self._ascending = Ascending(pa.int64())
        self._connection = connect(place, settings, is_read_only=is_read_only, config=config)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with translated(self._place):
            self._connection.execute(sql, list(parameters))

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int(self.rows(sql, parameters)[0][0])

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self._place):
            return list(self._connection.execute(sql, list(parameters)).fetchall())

    def begin(self) -> None:
        self.execute("BEGIN TRANSACTION")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # No transaction is active: nothing to end.
        except duckdb.FatalException:
            return  # DuckDB has given the instance up; the file keeps what was committed.

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        rows = self.rows(
            "SELECT column_name, data_type FROM duckdb_columns()"
            " WHERE database_name = current_database() AND lower(schema_name) = lower(?)"
            " AND lower(table_name) = lower(?) ORDER BY column_index",
            (table.schema or self._default_schema, table.name),
        )
        if not rows:
            return None
        return tuple(
            TableColumn(name=name, type_name=type_name, kind=kind_of_type(type_name))
            for name, type_name in rows
        )

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        schema = table.schema or self._default_schema
        rows = self.rows(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
            " AND lower(schema_name) = lower(?) AND comment = ? ORDER BY table_name",
            (schema, staging_mark(table)),
        )
        return tuple(TableName(schema=schema, name=name) for (name,) in rows)

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        # DuckDB finds this variable by its name. `register` would do the same with a view, but
        # a transaction keeps every dropped view, and with it the rows, until it ends.
        _penstock_incoming = pa.Table.from_batches(batches)
        if len(batches) > _SMALL_BATCHES:
            _penstock_incoming = _penstock_incoming.combine_chunks()
        changes = _penstock_incoming.column(len(load.columns) + 1)
        rows = self._ascending.first(len(changes))
        _penstock_incoming = _penstock_incoming.append_column(ROW, rows)
        sql = insert(
            load,
            first_id=first_row_id(),
            has_changes=changes.null_count < len(changes),
        )
        with translated(self._place):
            return int(self._connection.execute(sql).fetchall()[0][0])

    def stream(
        self, sql: str, batch_rows: int, parameters: Sequence[Any] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Yields the schema's first (an empty batch), then the batches of a query."""
        with (
            translated(self._place),
            self._selected(sql, parameters).to_arrow_reader(batch_rows) as reader,
        ):
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader

    def _selected(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyRelation:
        statements = self._connection.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise ConfigError(
                f"The SQL is not one SELECT: {sql.strip()[:100]}",
                remedy="Ask with one SELECT, which changes nothing.",
            )
        return self._connection.sql(sql, params=list(parameters) or None)

    def has_zstd(self) -> bool:
        """Tells whether tables of the file may use zstd; no for MotherDuck, which keeps its own."""
        rows = self.rows(
            "SELECT tags['storage_version'] FROM duckdb_databases()"
            " WHERE database_name = current_database()"
        )
        found = _STORAGE_VERSION.match(str(rows[0][0])) if rows else None
        return found is not None and (int(found[1]), int(found[2])) >= _ZSTD_SINCE

    def interrupt(self) -> None:
        """Stops the statement that runs; called from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        close(self._connection, self._place)
