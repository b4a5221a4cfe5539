"""Changes of the log as rows: the same values, of the same types, as a reading of the table gives.

What pgoutput sends is text. Plain types are read here; any other, and any value that is out of the
ordinary, is given back to the server, which sends it as it would send the table's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import JSON_TYPE, Column, Kind, arrow_type
from penstock.errors import ConfigError
from penstock.sdk.postgres.connection import Connection, bound, copy_out, identifier, rows_of
from penstock.sdk.postgres.copy_out import Form, WireColumn
from penstock.sources.postgres.catalogue import Relation, RelationColumn
from penstock.sources.postgres.pgoutput import UNSENT, Change, Described, Tuple, Unsent, Value

LSN: Final = "_ab_cdc_lsn"
UPDATED_AT: Final = "_ab_cdc_updated_at"
DELETED_AT: Final = "_ab_cdc_deleted_at"

CDC_COLUMNS: Final = (
    Column(name=LSN, kind=Kind.INTEGER),
    Column(name=UPDATED_AT, kind=Kind.TIMESTAMP_TZ),
    Column(name=DELETED_AT, kind=Kind.TIMESTAMP_TZ),
)
"""Where in the log a row's transaction was committed, when, and when if it deleted the row."""

_AS_SENT: Final = ("numeric", "interval", "time with time zone")
"""Types whose `::text` is surely what their output function writes; that of inet is not."""

_FETCHED_ROWS: Final = 10_000


@dataclass(slots=True)
class TableChanges:
    """The changes of one table that wait to become a batch."""

    relation: Relation
    described: Described
    rows: list[Tuple] = field(default_factory=list)
    lsns: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    deleted: list[int | None] = field(default_factory=list)
    _places: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.describe(self.described)

    def describe(self, described: Described) -> None:
        """Takes the table's columns as the changes to come have them."""
        self.described = described
        places = {name: place for place, name in enumerate(described.columns)}
        self._places = [places.get(column.name) for column in self.relation.columns]

    def add(self, change: Change, *, lsn: int, micros: int, is_known: bool = False) -> None:
        """Takes one change; an update of the key is a deletion and an insertion.

        Of a change that the first reading knows of, only the deletion is taken: a first reading
        that was interrupted may have sent the row.
        """
        if change.new is None:
            self._append(self._of(change.old or []), lsn, micros, is_deleted=True)
            return
        new = self._of(change.new)
        if change.old is not None:
            old = self._of(change.old)
            if change.is_whole:
                new = [o if n is UNSENT else n for o, n in zip(old, new, strict=True)]
            if self._key(old) != self._key(new):
                self._append(old, lsn, micros, is_deleted=True)
        if not is_known:
            self._append(new, lsn, micros, is_deleted=False)

    def batch(self, connection: Connection) -> pa.RecordBatch:
        """Returns the changes as rows, and forgets them."""
        rows = _completed(connection, self.relation, self.rows, self.deleted)
        columns = list(zip(*rows, strict=True))
        arrays = [
            _array(connection, column, values)
            for column, values in zip(self.relation.columns, columns, strict=True)
        ]
        instant = arrow_type(Kind.TIMESTAMP_TZ)
        arrays += [
            pa.array(self.lsns, pa.int64()),
            pa.array(self.updated, pa.int64()).cast(instant),
            pa.array(self.deleted, pa.int64()).cast(instant),
        ]
        names = [*(c.name for c in self.relation.columns), *(c.name for c in CDC_COLUMNS)]
        self.rows, self.lsns, self.updated, self.deleted = [], [], [], []
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _of(self, values: Tuple) -> Tuple:
        """Returns the values in the order of the table's columns.

        What the log does not hold (a generated column, one added since) is asked of the table.
        """
        return [UNSENT if place is None else values[place] for place in self._places]

    def _key(self, row: Tuple) -> list[Value]:
        key = self.relation.primary_key
        return [
            value
            for column, value in zip(self.relation.columns, row, strict=True)
            if column.name in key
        ]

    def _append(self, row: Tuple, lsn: int, micros: int, *, is_deleted: bool) -> None:
        self.rows.append(row)
        self.lsns.append(lsn)
        self.updated.append(micros)
        self.deleted.append(micros if is_deleted else None)


def snapshot_batch(batch: pa.RecordBatch, *, lsn: int, micros: int) -> pa.RecordBatch:
    """Returns rows of the first reading with the columns that changes have."""
    instant = arrow_type(Kind.TIMESTAMP_TZ)
    count = batch.num_rows
    arrays = [
        pa.repeat(pa.scalar(lsn, pa.int64()), count),
        pa.repeat(pa.scalar(micros, pa.int64()).cast(instant), count),
        pa.nulls(count, instant),
    ]
    names = [*batch.schema.names, *(c.name for c in CDC_COLUMNS)]
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], names=names)


def _completed(
    connection: Connection, relation: Relation, rows: list[Tuple], deleted: Sequence[int | None]
) -> list[Tuple]:
    """Fills in what the log left out: unchanged values stored out of line, from the table.

    The table's value is the change's own, or one that a later change of the log brings, too. A row
    that is gone by now is deleted further on in the log. Deletions keep nothing but the key.
    """
    wanting: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        if UNSENT not in row:
            continue
        if deleted[number] is not None:
            rows[number] = [None if value is UNSENT else value for value in row]
            continue
        missing = tuple(place for place, value in enumerate(row) if value is UNSENT)
        wanting.setdefault(missing, []).append(number)
    for missing, numbers in wanting.items():
        for begin in range(0, len(numbers), _FETCHED_ROWS):
            part = numbers[begin : begin + _FETCHED_ROWS]
            found = _current(connection, relation, [rows[number] for number in part], missing)
            for number, values in zip(part, found, strict=True):
                for place, value in zip(missing, values, strict=True):
                    rows[number][place] = None if value is None else str(value).encode()
    return rows


def _current(
    connection: Connection, relation: Relation, rows: Sequence[Tuple], missing: Sequence[int]
) -> list[tuple[Any, ...]]:
    columns = relation.columns
    keys = [place for place, column in enumerate(columns) if column.name in relation.primary_key]
    if not keys or set(keys) & set(missing):
        raise ConfigError(
            f"A change of {relation} leaves out {columns[missing[0]].name}, and the table has no"
            " primary key to look it up by.",
            remedy=f"ALTER TABLE {identifier(relation.schema, relation.name)}"
            " REPLICA IDENTITY FULL, and reset the stream's state.",
            stream=str(relation),
        )
    asked = ", ".join(
        f"CASE WHEN t.{name} IS NOT NULL THEN format('%%s', t.{name}) END"
        for name in (_escaped(identifier(columns[place].name)) for place in missing)
    )
    names = [f"k{place}" for place in keys]
    matches = " AND ".join(
        f"t.{_escaped(identifier(columns[place].name))} = u.{name}::{columns[place].type_name}"
        for place, name in zip(keys, names, strict=True)
    )
    arrays = ", ".join("%s::text[]" for _ in keys)
    query = (
        f"SELECT {asked} FROM unnest({arrays}) WITH ORDINALITY AS u({', '.join(names)}, place)"  # noqa: S608 (identifiers are quoted)
        f" LEFT JOIN {_escaped(relation.sql)} AS t ON {matches} ORDER BY u.place"
    )
    parameters = [[_text(row[place]) for row in rows] for place in keys]
    return rows_of(connection, query, parameters)


def _escaped(sql: str) -> str:
    """Returns SQL whose per cent signs mean themselves where parameters are filled in."""
    return sql.replace("%", "%%")


def _text(value: Value) -> str | None:
    return None if value is None or isinstance(value, Unsent) else value.decode()


def _array(connection: Connection, column: RelationColumn, values: Sequence[Value]) -> pa.Array:
    texts = pa.array(values, pa.binary()).cast(pa.string())
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), arrow_type(column.wire.kind))
    try:
        return _plain(column, texts)
    except (pa.ArrowInvalid, _Elsewhere):
        return _by_server(connection, column, texts)


class _Elsewhere(Exception):
    """The server knows how to read this."""


def _plain(column: RelationColumn, texts: pa.Array) -> pa.Array:
    """Returns the values of a type whose text is read alike everywhere."""
    kind, form = column.wire.kind, column.wire.form
    if form in (Form.INT2, Form.INT4, Form.INT8, Form.OID, Form.FLOAT8, Form.DATE, Form.TIMESTAMP):
        return texts.cast(arrow_type(kind))
    if form is Form.BOOLEAN:
        return pc.equal(texts, "t")
    if form is Form.FLOAT4:
        return texts.cast(pa.float32()).cast(pa.float64())
    if form is Form.NUMERIC and column.type_name != "money":
        return texts.cast(arrow_type(kind))
    if form is Form.BYTES:
        return pa.array([_base64(text) for text in texts.to_pylist()], pa.string())
    if form in (Form.JSONB, Form.UUID) or (form is Form.TEXT and _is_as_sent(column)):
        return pa.ExtensionArray.from_storage(JSON_TYPE, texts) if kind is Kind.JSON else texts
    raise _Elsewhere


def _is_as_sent(column: RelationColumn) -> bool:
    return column.asked == identifier(column.name) or column.type_name.startswith(_AS_SENT)


def _base64(text: str | None) -> str | None:
    return None if text is None else base64.b64encode(bytes.fromhex(text[2:])).decode()


def _by_server(connection: Connection, column: RelationColumn, texts: pa.Array) -> pa.Array:
    """Returns what a reading of the table would give for values of these texts."""
    name = _escaped(identifier(column.name))
    query = bound(
        connection,
        f"SELECT {_escaped(column.asked)} FROM (SELECT value::{column.type_name} AS {name}, place"  # noqa: S608 (identifiers are quoted)
        " FROM unnest(%s::text[]) WITH ORDINALITY AS u(value, place)) AS typed ORDER BY place",
        [texts.to_pylist()],
    )
    return pa.concat_arrays(_alike(_columns_of(connection, query, column.wire)))


def _columns_of(connection: Connection, query: str, wire: WireColumn) -> Iterator[pa.Array]:
    for batch in copy_out(connection, query, [wire]):
        yield batch.column(0)


def _alike(arrays: Iterator[pa.Array]) -> list[pa.Array]:
    """Returns parts of one type: a part with an irregular value comes as text."""
    parts = list(arrays)
    if len({part.type for part in parts}) == 1:
        return parts
    return [part.cast(pa.string()) for part in parts]
