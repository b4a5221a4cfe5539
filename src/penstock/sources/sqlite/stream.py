"""One table or view as a stream: by row numbers, or by a cursor of the user's choice.

Every reading is one transaction that sees one moment of the file.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from penstock.data.arrays import of_values
from penstock.data.types import JSON_TYPE, Column, Kind, stream_schema
from penstock.errors import ConfigError, StateOutdated
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.sql.asked import wanted
from penstock.sdk.sqlite.connection import translated
from penstock.sdk.sqlite.types import quoted
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.sqlite.catalogue import Relation, RelationColumn, open_file

_FETCH_ROWS: Final = 10_000
_AS_TEXT: Final = frozenset(
    {
        Kind.STRING,
        Kind.BIG_INTEGER,
        Kind.DECIMAL,
        Kind.DATE,
        Kind.TIMESTAMP,
        Kind.TIMESTAMP_TZ,
        Kind.TIME,
    }
)
"""Kinds that travel as the text they are: the engine reads and judges them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLiteStream:
    """A relation, and the file it is read from."""

    path: Path
    relation: Relation
    state_rows: int

    @property
    def name(self) -> str:
        return self.relation.name

    @property
    def namespace(self) -> str | None:
        return None

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
        return self.relation.row_id is not None

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | State]:
        """Yields rows and positions: the row's number, behind the cursor's value if there is one.

        Incremental reads what lies behind the last position: without a cursor, rows of larger
        numbers, which are the new ones where rows are only added. Deleted rows are not seen.
        """
        cursor = self._cursor(request)
        position = _position(request.state, self.name)
        if cursor is None and position.get("cursor"):
            position = {}
        if cursor is not None and position and position.get("cursor") != cursor.name:
            position = {}
        file = _file(self.path) if request.mode is SyncMode.FULL_REFRESH else None
        if file is not None and position.get("row") is not None and position.get("file") != file:
            raise StateOutdated(
                f"{self.path} was written to after a reading of {self.name} was interrupted.",
                remedy="Reset the stream's state (`penstock state reset`), and it is read anew.",
                stream=self.name,
            )
        connection = open_file(self.path)
        try:
            with translated(self.path):
                connection.execute("BEGIN")
                for item in self._rows(connection, request, cursor, position):
                    is_mark = isinstance(item, State) and file is not None
                    yield State({**item.value, "file": file}) if is_mark else item
        finally:
            connection.close()

    def _rows(
        self,
        connection: sqlite3.Connection,
        request: ReadRequest,
        cursor: RelationColumn | None,
        position: Mapping[str, Any],
    ) -> Iterator[pa.RecordBatch | State]:
        columns = wanted(self.relation.columns, request.fields)
        order = [quoted(cursor.name)] if cursor else []
        order += [self.relation.row_id] if self.relation.row_id else []
        asked = ", ".join([*(quoted(column.name) for column in columns), *order])
        condition, bound = self._behind(position, cursor)
        query = f"SELECT {asked} FROM {self.relation.sql}{condition}"  # noqa: S608 (identifiers are quoted)
        if order:
            query += f" ORDER BY {', '.join(order)}"
        found = connection.execute(query, bound)
        since = 0
        while rows := found.fetchmany(_FETCH_ROWS):
            values = list(zip(*rows, strict=True))
            arrays = [_array(held, c) for held, c in zip(values, columns, strict=False)]
            yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
            since += len(rows)
            if self.relation.row_id and since >= self.state_rows:
                position, since = self._at(rows[-1], cursor), 0
                yield State(position)
            elif order:
                position = self._at(rows[-1], cursor)
        yield State(position or {"row": None, "cursor": None, "value": None})

    def _behind(
        self, position: Mapping[str, Any], cursor: RelationColumn | None
    ) -> tuple[str, list[Any]]:
        row, value = position.get("row"), position.get("value")
        if cursor is None:
            if row is None:
                return "", []
            return f" WHERE {self.relation.row_id} > ?", [row]
        if value is None:
            return "", []
        name = quoted(cursor.name)
        if row is None or self.relation.row_id is None:
            return f" WHERE {name} >= ?", [value]
        return f" WHERE {name} > ? OR ({name} = ? AND {self.relation.row_id} > ?)", [
            value,
            value,
            row,
        ]

    def _at(self, row: Sequence[Any], cursor: RelationColumn | None) -> dict[str, Any]:
        number = row[-1] if self.relation.row_id else None
        if cursor is None:
            return {"row": number, "cursor": None, "value": None}
        value = row[-2] if self.relation.row_id else row[-1]
        if isinstance(value, bytes):
            raise ConfigError(
                f"{self.name}.{cursor.name} holds bytes, which are no cursor.",
                remedy="Choose another cursor.",
                stream=self.name,
            )
        return {"row": number, "cursor": cursor.name, "value": value}

    def _cursor(self, request: ReadRequest) -> RelationColumn | None:
        if request.mode is SyncMode.FULL_REFRESH:
            return None
        if request.cursor is None:
            if self.relation.row_id is not None:
                return None
            raise ConfigError(
                f"{self.name} has no row numbers to tell its new rows by: it is a view, or a table"
                " WITHOUT ROWID.",
                remedy="Choose a cursor for the stream, or read it in full.",
                stream=self.name,
            )
        path = request.cursor
        column = self.relation.column(path[0]) if len(path) == 1 else None
        if column is None:
            raise ConfigError(
                f"{self.name} has no column {'.'.join(path)!r} for a cursor.",
                remedy="Choose one of: " + ", ".join(c.name for c in self.relation.columns),
                stream=self.name,
            )
        return column


def _position(state: Mapping[str, Any] | None, stream: str) -> Mapping[str, Any]:
    if state is None:
        return {}
    row, value = state.get("row"), state.get("value")
    is_sound = (
        state.keys() - {"file"} == {"row", "cursor", "value"}
        and isinstance(state.get("file", ""), str)
        and (row is None or (isinstance(row, int) and not isinstance(row, bool)))
        and (value is None or isinstance(value, str | int | float))
        and (state["cursor"] is None or isinstance(state["cursor"], str))
    )
    if not is_sound:
        raise ConfigError(
            f"The state of {stream} is not one that this source wrote.",
            remedy="Reset the stream's state (`penstock state reset`), and the next sync begins"
            " anew.",
            stream=stream,
        )
    return state


def _file(path: Path) -> str:
    """Returns what is no longer the same after the file was written to.

    With the counter of changes in its head (sqlite.org/fileformat.html, 1.3.7): two writings may
    fall into one tick of the clock.
    """
    with path.open("rb") as opened:
        opened.seek(24)
        counter = int.from_bytes(opened.read(4), "big")
    log = path.with_name(path.name + "-wal")
    seen = [each.stat() for each in (path, log) if each.exists() and each.stat().st_size]
    return " ".join([str(counter), *(f"{each.st_size}@{each.st_mtime_ns}" for each in seen)])


def _array(values: Sequence[Any], column: RelationColumn) -> pa.Array:
    """Returns a column in its kind, or as text where a later value is of another."""
    types = {type(value) for value in values if value is not None}
    match column.kind:
        case Kind.INTEGER if types <= {int}:
            return of_values(values, pa.int64())
        case Kind.BOOLEAN if types <= {int} and {v for v in values if v is not None} <= {0, 1}:
            return of_values(values, pa.bool_())
        case Kind.NUMBER if types <= {float}:
            return of_values(values, pa.float64())
        case Kind.JSON if types <= {str}:
            return pa.ExtensionArray.from_storage(JSON_TYPE, of_values(values, pa.string()))
        case kind if kind in _AS_TEXT and types <= {str}:
            return of_values(values, pa.string())
        case _:
            return of_values([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return None if value is None else str(value)
