"""Rows of native sources, dicts or Arrow of any type, to the one canonical batch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import divided, number, numbers_of, of_values, repeated, rows_where
from penstock.data.careful import batch_schema, changes_text, coerced_array, storage_type
from penstock.data.coerce import ROUNDED, Misfit, coercer
from penstock.data.json_text import exact_text, list_text, row_texts, value_text
from penstock.data.lines import RecordTexts
from penstock.data.rows import RowsBuilder
from penstock.data.types import JSON_TYPE, Column, Kind, kind_of_arrow
from penstock.data.vector import VectorSession
from penstock.protocol.messages import Change

_INSTANTS: Final = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMP_TZ, Kind.TIME})
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NEVER_NAN: Final = frozenset({str, int, bool, type(None)})
_EXACT_CASTS: Final = frozenset(
    {
        (Kind.INTEGER, Kind.NUMBER),
        (Kind.INTEGER, Kind.BIG_INTEGER),
        (Kind.INTEGER, Kind.DECIMAL),
        (Kind.BIG_INTEGER, Kind.INTEGER),
        (Kind.BIG_INTEGER, Kind.DECIMAL),
    }
)
"""Casts between kinds that Arrow makes exactly or refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBatch:
    """One canonical batch, and properties met for the first time that no column takes."""

    rows: pa.RecordBatch
    undeclared: tuple[str, ...] = ()


class BatchBuilder:
    """Builds the batches of one stream. Not thread-safe; close it, or use it as a context.

    Values are judged as if they had come as JSON (`penstock.data.coerce`): the same value lands
    the same, whichever way it came in.
    """

    def __init__(
        self,
        columns: tuple[Column, ...],
        *,
        is_raw: bool,
        threads: int | None = None,
        memory_limit: str = "256MB",
    ) -> None:
        self._columns = columns
        self._is_raw = is_raw
        self._schema = batch_schema(columns, is_raw=is_raw)
        self._session = VectorSession(threads=threads, memory_limit=memory_limit)
        self._rows = RowsBuilder(self._session, columns, is_raw=is_raw)
        self._undeclared: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the parser's memory; batches already built stay valid."""
        self._session.close()

    def from_rows(self, rows: Sequence[Mapping[str, Any]], *, extracted_at_ms: int) -> BuiltBatch:
        """Builds a batch of Python values.

        Decimals, integers of any size, aware and naive datetimes, dates, times, UUIDs and bytes
        (as base64) are taken exactly. Raises DataError for objects that have no JSON form.
        """
        if not rows:
            empty = [pa.nulls(0, field.type) for field in self._schema]
            return BuiltBatch(rows=pa.RecordBatch.from_arrays(empty, schema=self._schema))
        return self.from_texts(texts_of_rows(rows), extracted_at_ms=extracted_at_ms)

    def from_texts(self, texts: RecordTexts, *, extracted_at_ms: int) -> BuiltBatch:
        """Builds a batch of rows that are JSON texts already, at least one.

        Raises ProtocolError for a text that is no JSON object.
        """
        emitted = repeated(extracted_at_ms, len(texts))
        built = list(self._rows.build(texts, emitted, {}))
        return BuiltBatch(rows=_one(built, self._schema), undeclared=self._rows.take_undeclared())

    def from_arrow(self, batch: pa.RecordBatch, *, extracted_at_ms: int) -> BuiltBatch:
        """Builds a batch of an Arrow batch whose columns are named as the properties.

        Columns that are not there become NULL. Types that hold the column's values are cast;
        any other goes value by value, as `from_rows` would take it.
        """
        if self._is_raw:
            return self.from_rows(_python_rows(batch), extracted_at_ms=extracted_at_ms)
        count = batch.num_rows
        changes: dict[int, list[Change]] = {}
        arrays = []
        for column in self._columns:
            place = batch.schema.get_field_index(column.name)
            if place < 0:
                arrays.append(pa.nulls(count, column.arrow_type))
                continue
            array = _converted(batch.column(place), column, changes)
            if column.kind is Kind.JSON:
                array = pa.ExtensionArray.from_storage(JSON_TYPE, array)
            arrays.append(array)
        noted = (
            [changes_text(changes[row]) if row in changes else None for row in range(count)]
            if changes
            else None
        )
        arrays.append(repeated(extracted_at_ms * 1000, count).view(pa.timestamp("us", tz="UTC")))
        arrays.append(of_values(noted, pa.string()) if noted else pa.nulls(count, pa.string()))
        declared = {column.name for column in self._columns}
        new = [n for n in batch.schema.names if n not in declared and n not in self._undeclared]
        self._undeclared.update(new)
        rows = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        return BuiltBatch(rows=rows, undeclared=tuple(new))


def _one(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches, schema).combine_chunks().to_batches()[0]


def texts_of_rows(rows: Sequence[Mapping[str, Any]]) -> RecordTexts:
    """Returns rows as JSON texts in which every NaN stands; orjson alone writes those as null.

    Raises DataError for a value that has no JSON form.
    """
    at_once = _texts_at_once(rows)
    if at_once is not None:
        return at_once
    texts = [
        exact_text(row).encode()
        if b"null" in text
        and text.count(b"null") != list(row.values()).count(None)
        and _hides_nan(row)
        else text
        for text, row in zip(row_texts(rows), rows, strict=True)
    ]
    return RecordTexts.of(texts)


def _texts_at_once(rows: Sequence[Mapping[str, Any]]) -> RecordTexts | None:
    """Returns the texts of rows in all of which each null is a None; else None."""
    text = list_text(rows)
    if text is None:
        return None
    nulls = text.count(b"null") if b"null" in text else 0
    if nulls and nulls != sum(list(row.values()).count(None) for row in rows):
        return None
    try:
        return RecordTexts.within(text, _items.decode(text))
    except msgspec.DecodeError:
        # A Decimal's NaN is spelled out: no JSON, so that it is recorded.
        return None


def _hides_nan(value: Any) -> bool:
    """Tells whether orjson wrote null for a NaN or an infinity in a value."""
    kind = type(value)
    if kind in _NEVER_NAN:
        return False
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple | Set):
        return False
    return any(_hides_nan(inner) for inner in value if type(inner) not in _NEVER_NAN)


def _python_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    columns = {
        name: _json_values(array) if isinstance(array.type, pa.JsonType) else _python_values(array)
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    }
    return [
        {name: values[row] for name, values in columns.items()} for row in range(batch.num_rows)
    ]


def _json_values(array: pa.Array) -> list[Any]:
    """Returns what JSON texts say, numbers digit by digit; a text that is no JSON stays one."""
    return [None if text is None else _said(text) for text in _unwrapped(array).to_pylist()]


def _said(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return text


def _python_values(array: pa.Array) -> list[Any]:
    """Returns Python values; nanoseconds, which Python has not, as their exact text."""
    plain = _unwrapped(array)
    is_fine = pa.types.is_timestamp(plain.type) or pa.types.is_time64(plain.type)
    if is_fine and plain.type.unit == "ns":
        values: list[Any] = _texts_of_nanos(plain)
        return values
    python: list[Any] = plain.to_pylist()
    return python


def _texts_of_nanos(array: pa.Array) -> list[str | None]:
    is_zoned = pa.types.is_timestamp(array.type) and array.type.tz is not None
    if is_zoned:
        array = array.view(pa.timestamp("ns"))
    suffix = "Z" if is_zoned else ""
    return [None if text is None else text + suffix for text in array.cast(pa.string()).to_pylist()]


def _unwrapped(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        return _unwrapped(array.storage)
    if pa.types.is_dictionary(array.type):
        return _unwrapped(array.dictionary_decode())
    return array


def _converted(array: pa.Array, column: Column, changes: dict[int, list[Change]]) -> pa.Array:
    found = kind_of_arrow(array.type)
    array = _unwrapped(array)
    target = storage_type(column.kind)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), target)
    is_same = found is column.kind and not pa.types.is_nested(array.type)
    if column.kind is Kind.STRING and not _is_text(array.type):
        is_same = False
    if is_same and column.kind in _INSTANTS and array.type.unit == "ns":
        return _from_nanos(array, column, changes)
    if is_same or (found, column.kind) in _EXACT_CASTS:
        try:
            cast = pc.cast(array, target)
        except pa.ArrowInvalid:
            return _by_value(array, column, changes)
        if column.kind is not Kind.NUMBER or pc.all(pc.is_finite(cast)).as_py() is not False:
            return cast
    return _by_value(array, column, changes)


def _is_text(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(data_type)
        or types.is_large_string(data_type)
        or data_type == pa.string_view()
    )


def _from_nanos(array: pa.Array, column: Column, changes: dict[int, list[Change]]) -> pa.Array:
    """Cuts nanoseconds to microseconds, towards the past, and records where digits were lost."""
    nanos = array.view(pa.int64())
    micros = divided(nanos, 1000)
    is_cut = pc.not_equal(pc.multiply(micros, number(1000)), nanos).fill_null(
        pa.scalar(value=False)
    )
    for row in numbers_of(rows_where(is_cut)):
        _record(changes, row, column.name, ROUNDED)
    return micros.view(storage_type(column.kind))


def _by_value(array: pa.Array, column: Column, changes: dict[int, list[Change]]) -> pa.Array:
    read = coercer(column.kind)
    values: list[Any] = []
    for row, value in enumerate(_python_values(array)):
        if value is None:
            values.append(None)
            continue
        text = exact_text(value).encode() if _hides_nan(value) else value_text(value)
        result, misfit = read(text)
        values.append(result)
        if misfit is not None:
            _record(changes, row, column.name, misfit)
    return coerced_array(values, column.kind)


def _record(changes: dict[int, list[Change]], row: int, name: str, misfit: Misfit) -> None:
    change = Change(field=name, change=misfit.change, reason=misfit.reason)
    changes.setdefault(row, []).append(change)
