"""Changes of the log as rows: the same values, of the same types, as a reading of the table gives.

What the log does not tell as a SELECT does (MySQL's binary JSON, geometry, a column added since,
row images that are not full) is asked of the table by the row's key: that value is the change's
own, or one that a later change of the log brings, too.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Column, Kind, arrow_type
from penstock.errors import ConfigError
from penstock.sdk.mysql.connection import Connection, rows_of
from penstock.sdk.mysql.rows_out import Form, typed
from penstock.sources.mysql.catalogue import Table, TableColumn
from penstock.sources.mysql.logged_values import UNSENT, Unsent, Value

CURSOR: Final = "_ab_cdc_cursor"
LOG_FILE: Final = "_ab_cdc_log_file"
LOG_POSITION: Final = "_ab_cdc_log_pos"
UPDATED_AT: Final = "_ab_cdc_updated_at"
DELETED_AT: Final = "_ab_cdc_deleted_at"

CDC_COLUMNS: Final = (
    Column(name=CURSOR, kind=Kind.INTEGER),
    Column(name=LOG_FILE, kind=Kind.STRING),
    Column(name=LOG_POSITION, kind=Kind.INTEGER),
    Column(name=UPDATED_AT, kind=Kind.TIMESTAMP_TZ),
    Column(name=DELETED_AT, kind=Kind.TIMESTAMP_TZ),
)
"""A number that grows with every transaction, also on another server; where in the log it is, and
when it was written, and when if it deleted the row."""

_TOLD: Final = frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal", "float"),
        *("double", "date", "time", "datetime", "timestamp", "char", "varchar", "tinytext"),
        *("text", "mediumtext", "longtext", "enum", "set", "binary", "varbinary", "tinyblob"),
        *("blob", "mediumblob", "longblob", "bit"),
    }
)
"""Types whose values the log tells as a SELECT does."""

_FETCHED_ROWS: Final = 200
Row = list[Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the log a change is, and when it was written."""

    cursor: int
    file: str
    position: int
    micros: int


@dataclass(slots=True)
class TableChanges:
    """The changes of one table that wait to become a batch."""

    table: Table
    names: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    deleted: list[bool] = field(default_factory=list)
    _order: list[int | None] = field(default_factory=list)
    _formed: list[tuple[int, TableColumn]] = field(default_factory=list)
    """Columns whose values the log may have in another form than a SELECT."""
    _keys: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.describe(self.names)
        columns = list(enumerate(self.table.columns))
        self._keys = [place for place, column in columns if column.name in self.table.primary_key]
        self._formed = [
            (place, column)
            for place, column in columns
            if column.data_type == "bit" or column.out.form is Form.BYTES
        ]

    def describe(self, names: tuple[str, ...]) -> None:
        """Takes the table's columns as the changes to come have them."""
        self.names = names
        places = {name: place for place, name in enumerate(names)}
        self._order = [
            places.get(column.name) if column.data_type in _TOLD else None
            for column in self.table.columns
        ]

    def add(self, old: Row | None, new: Row | None, place: Place) -> None:
        """Takes one change; an update of the key is a deletion and an insertion."""
        before = None if old is None else self._of(old)
        after = None if new is None else self._of(new)
        if before is not None and (after is None or self._key(before) != self._key(after)):
            self._append(before, place, is_deleted=True)
        if after is not None:
            self._append(after, place, is_deleted=False)

    def batch(self, connection: Connection) -> pa.RecordBatch:
        """Returns the changes as rows, and forgets them."""
        self._complete(connection)
        columns: list[Sequence[Any]] = list(zip(*self.rows, strict=True))
        arrays = [
            _array(column, values)
            for column, values in zip(self.table.columns, columns, strict=True)
        ]
        instant = arrow_type(Kind.TIMESTAMP_TZ)
        micros = [place.micros for place in self.places]
        gone = [m if d else None for m, d in zip(micros, self.deleted, strict=True)]
        arrays += [
            pa.array([place.cursor for place in self.places], pa.int64()),
            pa.array([place.file for place in self.places], pa.string()),
            pa.array([place.position for place in self.places], pa.int64()),
            pa.array(micros, pa.int64()).cast(instant),
            pa.array(gone, pa.int64()).cast(instant),
        ]
        names = [*(c.name for c in self.table.columns), *(c.name for c in CDC_COLUMNS)]
        self.rows, self.places, self.deleted = [], [], []
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _of(self, values: Row) -> Row:
        """Returns the values in the order of the table's columns, as a SELECT writes them."""
        row = [UNSENT if place is None else values[place] for place in self._order]
        for place, column in self._formed:
            row[place] = _as_selected(row[place], column)
        return row

    def _key(self, row: Row) -> list[Value]:
        return [row[place] for place in self._keys]

    def _append(self, row: Row, place: Place, *, is_deleted: bool) -> None:
        self.rows.append(row)
        self.places.append(place)
        self.deleted.append(is_deleted)

    def _complete(self, connection: Connection) -> None:
        """Fills in what the log left out, from the table; deletions keep nothing but what came."""
        wanting: dict[tuple[int, ...], list[int]] = {}
        for number, row in enumerate(self.rows):
            if UNSENT not in row:
                continue
            if self.deleted[number]:
                self.rows[number] = [None if value is UNSENT else value for value in row]
                continue
            missing = tuple(place for place, value in enumerate(row) if value is UNSENT)
            wanting.setdefault(missing, []).append(number)
        for missing, numbers in wanting.items():
            for begin in range(0, len(numbers), _FETCHED_ROWS):
                part = numbers[begin : begin + _FETCHED_ROWS]
                found = self._current(connection, [self.rows[n] for n in part], missing)
                for place, number in enumerate(part):
                    values = found.get(place, [None] * len(missing))
                    for column, value in zip(missing, values, strict=True):
                        self.rows[number][column] = value

    def _current(
        self, connection: Connection, rows: Sequence[Row], missing: Sequence[int]
    ) -> dict[int, list[Value]]:
        columns = self.table.columns
        keys = [n for n, column in enumerate(columns) if column.name in self.table.primary_key]
        if set(keys) & set(missing):
            raise ConfigError(
                f"A change of {self.table} leaves out its key, {columns[missing[0]].name}.",
                remedy="SET GLOBAL binlog_row_image = 'FULL', and reset the stream's state.",
                stream=str(self.table),
            )
        asked = ", ".join(columns[place].asked for place in missing)
        queries = []
        for number, row in enumerate(rows):
            same = " AND ".join(
                f"{columns[k].asked} = {_literal(columns[k], row[k])}" for k in keys
            )
            queries.append(f"(SELECT {number}, {asked} FROM {self.table.sql} WHERE {same})")  # noqa: S608 (identifiers are quoted)
        found = rows_of(connection, " UNION ALL ".join(queries))
        return {int(number): [_text(value) for value in values] for number, *values in found}


def snapshot_batch(batch: pa.RecordBatch, place: Place) -> pa.RecordBatch:
    """Returns rows of the first reading with the columns that changes have."""
    instant = arrow_type(Kind.TIMESTAMP_TZ)
    count = batch.num_rows
    arrays = [
        pa.repeat(pa.scalar(place.cursor, pa.int64()), count),
        pa.repeat(pa.scalar(place.file, pa.string()), count),
        pa.repeat(pa.scalar(place.position, pa.int64()), count),
        pa.repeat(pa.scalar(place.micros, pa.int64()).cast(instant), count),
        pa.nulls(count, instant),
    ]
    names = [*batch.schema.names, *(c.name for c in CDC_COLUMNS)]
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], names=names)


def _as_selected(value: Value, column: TableColumn) -> Value:
    """Returns bytes of bit(1) as the number that is asked of the table."""
    if isinstance(value, bytes) and column.data_type == "bit" and column.out.form is not Form.BYTES:
        return str(int.from_bytes(value, "big"))
    if isinstance(value, str) and column.out.form is Form.BYTES:
        return value.encode()
    return value


def _array(column: TableColumn, values: Sequence[Any]) -> pa.Array:
    form, kind = column.out.form, column.out.kind
    if form is Form.BYTES:
        return pa.array(
            [None if value is None else base64.b64encode(value).decode() for value in values],
            pa.string(),
        )
    texts = pa.array(values, pa.string())
    if form is Form.FLAG:
        is_flag = pc.all(pc.is_in(texts, pa.array(["0", "1", None]))).as_py() is not False
        return pc.equal(texts, "1") if is_flag else texts
    return typed(texts, kind)


def _literal(column: TableColumn, value: Value) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if value is None or isinstance(value, Unsent):
        return "NULL"
    return column.literal(value)


def _text(value: Any) -> Value:
    return value if value is None or isinstance(value, bytes) else str(value)
