"""One connection to an SQLite file, and how batches become rows beside other writers.

SQLite lets one connection write at a time. A writer therefore collects its rows in a temporary
table, which no one else waits for, and takes the file's lock when it commits them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.data.types import Kind
from penstock.destinations.sqlite.dialect import (
    CONVERT,
    MAIN,
    NUMERIC_ORDER,
    SURVIVES,
    SQLiteDialect,
    file_name,
    staging_mark,
)
from penstock.destinations.sqlite.values import (
    compare_numbers,
    converted,
    of_foreign_type,
    stored_values,
    survives,
)
from penstock.errors import ConfigError, DataError, ProofFailed
from penstock.protocol.messages import ChangeKind
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, LoadColumn, TableColumn
from penstock.sdk.sql.row_ids import new_row_ids
from penstock.sdk.sqlite.connection import connect, translated
from penstock.sdk.sqlite.journal import use_wal
from penstock.sdk.sqlite.types import kind_of_type, quoted

_SPOOL: Final = "_penstock_spool"
_READ_ROWS: Final = 10_000
_ROUNDED_KINDS: Final = frozenset({Kind.NUMBER, Kind.DECIMAL, Kind.BIG_INTEGER})

Changes = dict[int, list[dict[str, str]]]


class SQLiteSession:
    """One connection to one file."""

    def __init__(self, path: Path, *, busy_seconds: float, changes_journal: bool = True) -> None:
        """`changes_journal` False leaves the file's way of committing as it is."""
        self._path = path
        self._busy_seconds = busy_seconds
        self._connection = connect(path, busy_seconds=busy_seconds)
        self._is_begun = False
        self._locks_late = False
        self._spooled: Load | None = None
        self._spooled_rows = 0
        with translated(path):
            try:
                self._prepare(changes_journal=changes_journal)
            except sqlite3.Error:
                self._connection.close()
                raise

    def lock_late(self) -> None:
        """From now on a transaction locks the file when it first changes it, not at its begin."""
        self._locks_late = True

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with translated(self._path):
            if not sql.startswith("CREATE TABLE temp."):
                self._lock()
            self._connection.execute(sql, _bound(parameters))

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with translated(self._path):
            self._lock()
            return self._connection.execute(sql, _bound(parameters)).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self._path):
            self._lock()
            return self._connection.execute(sql, _bound(parameters)).fetchall()

    def begin(self) -> None:
        self._is_begun = True
        if not self._locks_late:
            with translated(self._path):
                self._lock()

    def commit(self) -> None:
        with translated(self._path):
            self._lock()
            self._connection.execute("COMMIT")
        self._is_begun = False

    def rollback(self) -> None:
        self._is_begun = False
        self._spooled = None
        if self._connection.in_transaction:
            with translated(self._path):
                self._connection.execute("ROLLBACK")

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        with translated(self._path):
            found = self._connection.execute(
                f"SELECT name FROM {MAIN}.sqlite_master"  # noqa: S608
                " WHERE type = 'table' AND name = ? COLLATE NOCASE",
                (file_name(table),),
            ).fetchall()
            if not found:
                return None
            rows = self._connection.execute(
                f"SELECT name, type FROM pragma_table_info(?, '{MAIN}') ORDER BY cid",  # noqa: S608
                found[0],
            ).fetchall()
        return tuple(
            TableColumn(name=name, type_name=type_name, kind=kind_of_type(type_name))
            for name, type_name in rows
        )

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        with translated(self._path):
            rows = self._connection.execute(
                f"SELECT tbl_name, name FROM {MAIN}.sqlite_master"  # noqa: S608
                " WHERE type = 'index' AND name LIKE 'penstock: %' ORDER BY tbl_name"
            ).fetchall()
        prefix = file_name(TableName(schema=table.schema, name=""))
        return tuple(
            TableName(schema=table.schema or MAIN, name=name.removeprefix(prefix))
            for name, mark in rows
            if mark == staging_mark(name, table)
        )

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        dialect = SQLiteDialect()
        target = dialect.table(load.table, is_temporary=load.is_temporary)
        with translated(self._path):
            if load.is_temporary or self._connection.in_transaction:
                return self._insert(load, target, batches)
            if self._spooled is None:
                self._make_spool(load)
                self._spooled, self._spooled_rows = load, 0
            inserted = self._insert(load, f"temp.{_SPOOL}", batches)
            self._spooled_rows += inserted
            return inserted

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
        """Yields the names of a SELECT's columns, then its rows, ten thousand at a time."""
        with translated(self._path):
            self._connection.execute("PRAGMA query_only = ON")
            cursor = self._connection.execute(sql, _bound(parameters))
            if cursor.description is None:
                raise ConfigError(
                    f"The SQL is not one SELECT: {sql.strip()[:100]}",
                    remedy="Ask with one SELECT, which changes nothing.",
                )
            yield [name for name, *_ in cursor.description]
            while rows := cursor.fetchmany(_READ_ROWS):
                yield rows

    def close(self) -> None:
        with translated(self._path):
            self._connection.close()

    def _prepare(self, *, changes_journal: bool) -> None:
        connection = self._connection
        if changes_journal:
            use_wal(connection, busy_seconds=self._busy_seconds)
        connection.execute("PRAGMA synchronous = FULL")
        # Else a view of a table keeps its table from being replaced.
        connection.execute("PRAGMA legacy_alter_table = ON")
        for name, function in ((CONVERT, converted), (SURVIVES, survives)):
            connection.create_function(name, 3, _of_kinds(function), deterministic=True)
        connection.create_collation(NUMERIC_ORDER, compare_numbers)

    def _lock(self) -> None:
        """Begins the transaction in the file, if one was begun, with the rows collected so far."""
        if not self._is_begun or self._connection.in_transaction:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        load, self._spooled = self._spooled, None
        if load is None:
            return
        names = _names(load)
        moved = self._connection.execute(
            f"INSERT INTO {SQLiteDialect().table(load.table)} ({names})"  # noqa: S608
            f" SELECT {names} FROM temp.{_SPOOL}"
        ).rowcount
        if moved != self._spooled_rows:
            raise ProofFailed(
                f"{self._spooled_rows} rows of {load.table} were collected and {moved} inserted;"
                " none of them is committed.",
                remedy="Run the sync again; if it repeats, report the version of SQLite.",
                table=load.table,
            )
        self._connection.execute(f"DELETE FROM temp.{_SPOOL}")  # noqa: S608

    def _make_spool(self, load: Load) -> None:
        types = {column.target.name: column.target.type_name for column in load.columns}
        types[load.extracted_at.name] = load.extracted_at.type_name
        names = [quoted(name) for name in _name_list(load)]
        parts = [
            f"{name} {types.get(plain, '')}"
            for name, plain in zip(names, _name_list(load), strict=True)
        ]
        self._connection.execute(f"DROP TABLE IF EXISTS temp.{_SPOOL}")
        self._connection.execute(f"CREATE TABLE temp.{_SPOOL} ({', '.join(parts)})")

    def _insert(self, load: Load, target: str, batches: Sequence[pa.RecordBatch]) -> int:
        marks = ", ".join("?" * len(_name_list(load)))
        sql = f"INSERT INTO {target} ({_names(load)}) VALUES ({marks})"  # noqa: S608
        own = not self._connection.in_transaction
        if own:
            self._connection.execute("BEGIN")
        inserted = 0
        for batch in batches:
            inserted += self._connection.executemany(sql, _rows_of(load, batch)).rowcount
        if own:
            self._connection.execute("COMMIT")
        return inserted


def _rows_of(load: Load, batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    count, rows = len(load.columns), batch.num_rows
    made: Changes = {}
    columns = [
        _landed(batch.column(place), column, made) for place, column in enumerate(load.columns)
    ]
    extracted = stored_values(batch.column(count), Kind.TIMESTAMP_TZ)
    columns += [
        extracted,
        _meta(load.sync_id, batch.column(count + 1), made, rows),
        new_row_ids(rows),
        [load.generation_id] * rows,
    ]
    if load.sequence is not None:
        columns.append(batch.column(count + 2).to_pylist())
    return zip(*columns, strict=True)


def _landed(array: pa.Array, column: LoadColumn, made: Changes) -> list[Any]:
    """Returns the values to store; a value that does not fit is recorded."""
    values = stored_values(array, column.kind)
    if column.kind is Kind.NUMBER and pc.any(pc.is_nan(array)).as_py():
        for row, value in enumerate(values):
            if value != value:  # noqa: PLR0124 (NaN alone is not itself)
                values[row] = None
                _record(made, row, column.source, ChangeKind.NULLED)
    kind, target = column.kind, column.target
    if target.kind is kind:
        return values
    for row, value in enumerate(values):
        if value is None:
            continue
        if target.kind is None:
            new = of_foreign_type(value, kind, target.type_name)
            is_kept = new is not None and (
                kind not in _ROUNDED_KINDS or survives(value, kind, _kind_of_value(new))
            )
        else:
            new = converted(value, kind, target.kind)
            is_kept = survives(value, kind, target.kind)
        values[row] = new
        if not is_kept:
            change = ChangeKind.NULLED if new is None else ChangeKind.TRUNCATED
            _record(made, row, column.source, change)
    return values


def _kind_of_value(value: Any) -> Kind:
    if isinstance(value, str):
        return Kind.STRING
    return Kind.NUMBER if isinstance(value, float) else Kind.INTEGER


def _record(made: Changes, row: int, field: str, change: ChangeKind) -> None:
    entry = {"field": field, "change": change.value, "reason": "DESTINATION_TYPECAST_ERROR"}
    made.setdefault(row, []).append(entry)


def _meta(sync_id: int, changes: pa.Array, made: Changes, rows: int) -> list[str]:
    plain = f'{{"sync_id":{sync_id},"changes":[]}}'
    if changes.null_count == len(changes) and not made:
        return [plain] * rows
    return [
        plain if text is None and row not in made else _listed(sync_id, text, made.get(row, []))
        for row, text in enumerate(changes.to_pylist())
    ]


def _listed(sync_id: int, text: str | None, entries: list[dict[str, str]]) -> str:
    listed = [*json.loads(text or "[]"), *entries]
    return json.dumps(
        {"sync_id": sync_id, "changes": listed}, ensure_ascii=False, separators=(",", ":")
    )


def _name_list(load: Load) -> list[str]:
    names = [column.target.name for column in load.columns]
    names += [EXTRACTED_AT, META, RAW_ID, GENERATION_ID]
    return names if load.sequence is None else [*names, load.sequence]


def _names(load: Load) -> str:
    return ", ".join(map(quoted, _name_list(load)))


def _of_kinds(function: Callable[[Any, Kind, Kind], Any]) -> Callable[[Any, str, str], Any]:
    return lambda value, old, new: function(value, Kind(old), Kind(new))


def _bound(parameters: Sequence[Any]) -> list[Any]:
    """Returns parameters as SQLite takes them; instants as `stored_values` writes them."""
    return [_instant(value) if isinstance(value, datetime) else value for value in parameters]


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    whole = value.astimezone(UTC).replace(tzinfo=None)
    return whole.isoformat(timespec="microseconds") + "Z"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises DataError for values that are not what their columns declare."""
    try:
        yield
    except (ValueError, TypeError, ArithmeticError) as error:
        raise DataError(
            f"SQLite file {path} has a value that its column's type does not allow.",
            remedy="Ask for the column as text: CAST(name AS TEXT).",
        ) from error
