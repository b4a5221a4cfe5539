"""One table or view of a database that nobody here knows: all of it, or by a cursor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.data.types import Column, Kind, stream_schema
from penstock.errors import ConfigError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.sql.asked import cursor_of, wanted
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.sql.database import Database, Question, Relation, SqlColumn, Value

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStream:
    """A relation, and the database it is read from."""

    database: Database = field(repr=False)
    relation: Relation

    @property
    def name(self) -> str:
        return self.relation.name

    @property
    def namespace(self) -> str | None:
        return self.relation.schema

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
        """False: no order of rows is known that costs nothing."""
        return False

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | State]:
        """Yields rows and positions.

        Incremental reads rows without a value of the cursor once, then rows in its order, each time
        with the last value again; without a cursor, rows of a larger primary key, which are the new
        ones where rows are only added. Neither sees deletions.
        """
        columns = wanted(self.relation.columns, request.fields)
        if request.mode is SyncMode.FULL_REFRESH:
            for rows, _ in self.database.read(self.relation, Question(columns=columns)):
                yield rows
            return
        cursor = self._cursor(request)
        if cursor not in columns:
            columns = (*columns, cursor)
        value = self._position(request.state, cursor)
        if value is None:
            missing = Question(columns=columns, wants_missing=cursor)
            for rows, _ in self.database.read(self.relation, missing):
                yield rows
        question = Question(
            columns=columns,
            order=cursor,
            since=value,
            includes_since=request.cursor is not None,
        )
        for rows, last in self.database.read(self.relation, question):
            yield rows
            value = last or value
            yield _state(cursor, value)
        yield _state(cursor, value)

    def _cursor(self, request: ReadRequest) -> SqlColumn:
        relation, path = self.relation, request.cursor
        if path is None and len(relation.primary_key) != 1:
            raise ConfigError(
                f"{relation} has no primary key of one column to tell its new rows by.",
                remedy="Choose a cursor for the stream, or read it in full.",
                stream=str(relation),
            )
        names = path or relation.primary_key
        return cursor_of(relation.columns, names, relation, is_ordered=_is_ordered)

    def _position(self, state: Mapping[str, Any] | None, cursor: SqlColumn) -> Value | None:
        if state is None:
            return None
        texts = [state.get(name) for name in ("cursor", "value", "type")]
        is_sound = state.keys() == {"cursor", "value", "type"} and all(
            each is None or isinstance(each, str) for each in texts
        )
        if not is_sound:
            raise ConfigError(
                f"The state of {self.relation} is not one that this source wrote.",
                remedy="Reset the stream's state (`penstock state reset`), and the next sync begins"
                " anew.",
                stream=str(self.relation),
            )
        name, text, type_name = texts
        if name != cursor.name or text is None or type_name is None:
            return None
        return Value(text=text, type=type_name)


def _is_ordered(column: SqlColumn) -> bool:
    return not column.is_binary and column.kind not in (Kind.JSON, Kind.BOOLEAN)


def _state(cursor: SqlColumn, value: Value | None) -> State:
    return State(
        {
            "cursor": cursor.name,
            "value": None if value is None else value.text,
            "type": None if value is None else value.type,
        }
    )
