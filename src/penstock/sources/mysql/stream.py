"""One table or view as a stream: by its primary key, or by a cursor of the user's choice.

Every reading is one transaction that sees one moment of the database (a consistent snapshot).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from penstock.data.types import Column, stream_schema
from penstock.errors import BugError, ConfigError, StateOutdated
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.mysql.address import Address
from penstock.sdk.mysql.connection import Connection, connected, identifier, rows_of
from penstock.sdk.mysql.rows_out import Form, select
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.mysql.catalogue import Table, TableColumn
from penstock.sources.mysql.changes import CDC_COLUMNS, CURSOR
from penstock.sources.mysql.position import CursorPosition, KeyPosition, position_of

_SNAPSHOT: Final = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQLStream:
    """A table, and the address it is read from."""

    address: Address
    table: Table
    is_logged: bool = False
    """True when incremental reads are the log's: then all streams are read together."""

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def namespace(self) -> str | None:
        return self.table.schema

    @property
    def json_schema(self) -> Mapping[str, Any]:
        columns = self.table.columns
        kinds = tuple(Column(name=c.name, kind=c.out.kind) for c in columns)
        schema = stream_schema((*kinds, *(CDC_COLUMNS if self.is_logged else ())))
        for column in columns:
            if column.out.form is Form.BYTES:
                schema["properties"][column.name]["contentEncoding"] = "base64"
        return schema

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        return tuple((name,) for name in self.table.primary_key)

    @property
    def cursor(self) -> PropertyPath | None:
        return (CURSOR,) if self.is_logged and self.table.is_logged else None

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        if self.is_logged and not self.table.is_logged:
            return (SyncMode.FULL_REFRESH,)
        return (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)

    @property
    def is_resumable(self) -> bool:
        return bool(self.table.key)

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | State]:
        """Yields rows and positions: all rows, or those from the last value of the cursor on.

        Incremental reads see no deletions, and read rows with the last value again. Without a
        cursor they read rows of larger keys only: for tables that are only ever added to.
        """
        by_key = not self.is_logged and request.cursor is None and bool(self.table.key)
        if request.mode is SyncMode.FULL_REFRESH or by_key:
            yield from self._by_key(request)
        elif self.is_logged:
            raise BugError(
                f"Changes of {self.table} are read with those of all tables.",
                remedy="Report it with the command that was run.",
            )
        else:
            yield from self._from_cursor(request, self._cursor_column(request))

    def _by_key(self, request: ReadRequest) -> Iterator[pa.RecordBatch | State]:
        """Yields rows in the order of their key, with a state behind each batch.

        Raises StateOutdated where a full refresh is to continue and there are more rows, or fewer,
        before that place than it has sent.
        """
        key = self.table.key
        is_full = request.mode is SyncMode.FULL_REFRESH
        position = position_of(request.state, str(self.table))
        names = tuple(column.name for column in key)
        if request.state is None:
            position = KeyPosition(columns=names, rows=0 if is_full else None)
        if not isinstance(position, KeyPosition) or position.columns != names:
            raise ConfigError(
                f"The state of {self.table} is of another primary key, or of a cursor.",
                remedy="Reset the stream's state (`penstock state reset`), and it is read anew.",
                stream=str(self.table),
            )
        columns = _columns(self.table, request.fields, key)
        query = f"SELECT {_asked(columns)} FROM {self.table.sql}"  # noqa: S608 (identifiers are quoted)
        if position.values:
            query += f" WHERE {_beyond(key, position.values)}"
        if key:
            query += f" ORDER BY {', '.join(identifier(name) for name in names)}"
        with _reading(self.address) as connection:
            rows = position.rows if is_full else None
            if position.values and rows is not None:
                self._refuse_changed(connection, position.values, rows)
            for batch in select(connection, query, [column.out for column in columns]):
                if batch.num_rows:
                    yield batch
                    rows = None if rows is None else rows + batch.num_rows
                    if key:
                        values = tuple(_last(batch, column) or "" for column in key)
                        position = KeyPosition(columns=names, values=values, rows=rows)
                        yield position.state()
        if not is_full:
            yield position.state()

    def _refuse_changed(self, connection: Connection, values: Sequence[str], rows: int) -> None:
        """Raises StateOutdated unless there are as many rows up to a key as were sent."""
        up_to = _up_to(self.table.key, values)
        query = f"SELECT COUNT(*) FROM {self.table.sql} WHERE {up_to}"  # noqa: S608 (identifiers are quoted)
        if int(rows_of(connection, query)[0][0]) != rows:
            raise StateOutdated(
                f"Rows of {self.table} were added or went after a reading had sent them and was"
                " interrupted.",
                remedy="Reset the stream's state (`penstock state reset`), and it is read anew.",
                stream=str(self.table),
            )

    def _from_cursor(
        self, request: ReadRequest, cursor: TableColumn
    ) -> Iterator[pa.RecordBatch | State]:
        """Yields rows in the cursor's order; rows without a value come first, and once."""
        position = position_of(request.state, str(self.table))
        value = None
        if isinstance(position, CursorPosition) and position.cursor == cursor.name:
            value = position.value
        columns = _columns(self.table, request.fields, (cursor,))
        name = identifier(cursor.name)
        where = "" if value is None else f" WHERE {name} >= {cursor.literal(value)}"
        query = f"SELECT {_asked(columns)} FROM {self.table.sql}{where} ORDER BY {name}"  # noqa: S608 (the same)
        with _reading(self.address) as connection:
            for batch in select(connection, query, [column.out for column in columns]):
                if batch.num_rows:
                    yield batch
                    newest = _last(batch, cursor)
                    if newest is not None:
                        value = newest
                        yield CursorPosition(cursor=cursor.name, value=value).state()
        yield CursorPosition(cursor=cursor.name, value=value).state()

    def _cursor_column(self, request: ReadRequest) -> TableColumn:
        path = request.cursor or ()
        column = self.table.column(path[0]) if len(path) == 1 else None
        if column is None or not column.is_ordered:
            ordered = [each.name for each in self.table.columns if each.is_ordered]
            said = f"has no cursor {'.'.join(path)!r}" if path else "needs a cursor"
            raise ConfigError(
                f"{self.table} {said} that can be read in order.",
                remedy=f"Choose one of: {', '.join(ordered)}; or read it in full.",
                stream=str(self.table),
            )
        return column


@contextmanager
def _reading(address: Address) -> Iterator[Connection]:
    """Opens a connection in a transaction that sees one moment."""
    with connected(address) as connection:
        for statement in _SNAPSHOT:
            rows_of(connection, statement)
        yield connection


def _columns(
    table: Table, fields: Sequence[str] | None, needed: Sequence[TableColumn]
) -> tuple[TableColumn, ...]:
    if fields is None:
        return table.columns
    wanted = {*fields, *(column.name for column in needed)}
    chosen = tuple(column for column in table.columns if column.name in wanted)
    return chosen or table.columns[:1]


def _asked(columns: Sequence[TableColumn]) -> str:
    return ", ".join(f"{column.asked} AS {identifier(column.name)}" for column in columns)


def _beyond(key: Sequence[TableColumn], values: Sequence[str]) -> str:
    """Returns the condition that a key comes after these values."""
    return _apart(key, values, ">")


def _up_to(key: Sequence[TableColumn], values: Sequence[str]) -> str:
    """Returns the condition that a key is these values or comes before them."""
    return _apart(key, values, "<", is_there=True)


def _apart(
    key: Sequence[TableColumn], values: Sequence[str], sign: str, *, is_there: bool = False
) -> str:
    """Returns a comparison of whole keys, whose first part uses the index; `is_there`: or equal."""
    literals = [column.literal(value) for column, value in zip(key, values, strict=True)]
    names = [identifier(column.name) for column in key]
    equal: list[str] = []
    options = []
    for name, literal in zip(names, literals, strict=True):
        options.append(" AND ".join([*equal, f"{name} {sign} {literal}"]))
        equal.append(f"{name} = {literal}")
    if is_there:
        options.append(" AND ".join(equal))
    return f"{names[0]} {sign}= {literals[0]} AND (({') OR ('.join(options)}))"


def _last(batch: pa.RecordBatch, column: TableColumn) -> str | None:
    """Returns the last row's value of a column as the text that `TableColumn.literal` takes."""
    array = batch.column(batch.schema.get_field_index(column.name))[-1:]
    if array.null_count:
        return None
    if column.out.form is Form.BYTES:
        return base64.b64decode(array[0].as_py()).hex()
    if pa.types.is_timestamp(array.type):
        return str(array.view(pa.int64()).view(pa.timestamp("us")).cast(pa.string())[0].as_py())
    if pa.types.is_decimal(array.type):
        return f"{array[0].as_py():f}"
    if pa.types.is_boolean(array.type):
        return "1" if array[0].as_py() else "0"
    return str(array.cast(pa.string())[0].as_py())
