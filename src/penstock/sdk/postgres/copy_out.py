"""The bytes of COPY … TO STDOUT (FORMAT binary) as Arrow batches, a column at a time.

A row's fields are found without a loop over rows: libpq hands out one message a row, so that the
rows' ends are known, and every field begins with its length.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import numpy as np
import pyarrow as pa

from penstock.data.types import JSON_TYPE, Kind, arrow_type
from penstock.errors import DataError, ProtocolError
from penstock.sdk.postgres.irregular import (
    text_of_day,
    text_of_micros,
    text_of_numeric,
    text_of_time,
)
from penstock.sdk.postgres.wire import (
    DAY_MICROS,
    EPOCH_DAYS,
    EPOCH_MICROS,
    NUMERIC_NEGATIVE,
    NUMERIC_POSITIVE,
    SIGNATURE,
    TRAILER,
    Numbers,
    decimals_of,
    uuid_texts,
)

_PADDING: Final = bytes(16)
"""Behind the last row, so that a null in its last column can be looked at like a value."""


class Form(Enum):
    """How the server sends a column's values."""

    BOOLEAN = auto()
    INT2 = auto()
    INT4 = auto()
    INT8 = auto()
    OID = auto()
    FLOAT4 = auto()
    FLOAT8 = auto()
    DATE = auto()
    TIME = auto()
    TIMESTAMP = auto()
    NUMERIC = auto()
    TEXT = auto()
    JSONB = auto()
    UUID = auto()
    BYTES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class WireColumn:
    """One column of a COPY: what it is called, what it holds, how it is sent."""

    name: str
    kind: Kind
    form: Form


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one column: where each begins in the rows' bytes, and its length."""

    content: Numbers
    starts: Numbers
    lengths: Numbers
    """-1 for null."""

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def is_valid(self) -> Numbers:
        return np.asarray(self.lengths >= 0)

    def validity(self) -> pa.Buffer | None:
        if self.count == 0 or self.lengths.min() >= 0:
            return None
        return pa.py_buffer(np.packbits(self.is_valid, bitorder="little"))

    def numbers(self, form: str) -> Numbers:
        """Returns one big-endian number a field; void at nulls."""
        return _unaligned(self.content, form)[self.starts]

    def each(self) -> list[bytes | None]:
        """Returns the bytes of every field."""
        content = self.content.tobytes()
        pairs = zip(self.starts.tolist(), self.lengths.tolist(), strict=True)
        return [None if size < 0 else content[start : start + size] for start, size in pairs]


def rows_to_batch(rows: Sequence[bytes], columns: Sequence[WireColumn]) -> pa.RecordBatch:
    """Returns one batch of the rows, each the bytes of one CopyData message.

    The header may stand before the first row; the trailer must not come. A column with a value
    that its kind cannot hold (infinity, NaN, more digits) comes as text, to be judged one by one.
    """
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    content = np.frombuffer(b"".join([*rows, _PADDING]), np.uint8)
    starts = np.concatenate(([0], np.cumsum(sizes[:-1])))
    ends = starts + sizes
    fields = _unaligned(content, ">i2")[starts]
    if (fields != len(columns)).any():
        raise _broken(f"a row has {int(fields[fields != len(columns)][0])} fields")
    starts = starts + 2
    arrays = []
    for column in columns:
        lengths = _unaligned(content, ">i4")[starts].astype(np.int64)
        arrays.append(_array(_Fields(content, starts + 4, lengths), column))
        starts = starts + 4 + np.maximum(lengths, 0)
    if (starts != ends).any():
        raise _broken("a row does not end where its last field ends")
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def without_frame(message: bytes, *, is_first: bool) -> bytes:
    """Returns a message of the server without header and trailer; empty when it has no row."""
    if is_first:
        if not message.startswith(SIGNATURE):
            raise _broken("the header is not PGCOPY")
        message = message[len(SIGNATURE) :]
    return b"" if message == TRAILER else message


def empty_batch(columns: Sequence[WireColumn]) -> pa.RecordBatch:
    """Returns no rows of these columns."""
    arrays = [pa.nulls(0, arrow_type(column.kind)) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _broken(what: str) -> ProtocolError:
    return ProtocolError(
        f"The server's binary COPY is not as documented: {what}.",
        remedy="Report it with the version of the server (SELECT version()).",
    )


def _unaligned(content: Numbers, form: str) -> Numbers:
    """Returns the number that begins at every byte."""
    size = np.dtype(form).itemsize
    return np.ndarray((max(0, len(content) - size + 1),), form, content, strides=(1,))


def _array(fields: _Fields, column: WireColumn) -> pa.Array:
    if column.form is Form.NUMERIC:
        return _numerics(fields, column.kind)
    return _READERS[column.form](fields, column.kind)


def _plain(fields: _Fields, values: Numbers, data_type: pa.DataType) -> pa.Array:
    contiguous = np.ascontiguousarray(values)
    return pa.Array.from_buffers(
        data_type, fields.count, [fields.validity(), pa.py_buffer(contiguous)]
    )


def _booleans(fields: _Fields, kind: Kind) -> pa.Array:
    bits = np.packbits(fields.content[fields.starts] != 0, bitorder="little")
    return pa.Array.from_buffers(
        arrow_type(kind), fields.count, [fields.validity(), pa.py_buffer(bits)]
    )


def _integers(form: str) -> Callable[[_Fields, Kind], pa.Array]:
    return lambda fields, kind: _plain(
        fields, fields.numbers(form).astype(np.int64), arrow_type(kind)
    )


def _floats(form: str) -> Callable[[_Fields, Kind], pa.Array]:
    return lambda fields, kind: _plain(
        fields, fields.numbers(form).astype(np.float64), arrow_type(kind)
    )


def _dates(fields: _Fields, kind: Kind) -> pa.Array:
    days = fields.numbers(">i4").astype(np.int64)
    limits = np.iinfo(np.int32)
    is_infinite = (days == limits.max) | (days == limits.min)
    if (is_infinite & fields.is_valid).any():
        return _texts_of(fields, days, text_of_day)
    return _plain(fields, (days + EPOCH_DAYS).astype(np.int32), arrow_type(kind))


def _timestamps(fields: _Fields, kind: Kind) -> pa.Array:
    micros = fields.numbers(">i8").astype(np.int64)
    limits = np.iinfo(np.int64)
    is_beyond = (micros > limits.max - EPOCH_MICROS) | (micros == limits.min)
    if (is_beyond & fields.is_valid).any():
        suffix = "Z" if kind is Kind.TIMESTAMP_TZ else ""
        return _texts_of(fields, micros, lambda value: text_of_micros(value, suffix))
    with np.errstate(over="ignore"):  # what stands at a null is void
        return _plain(fields, micros + EPOCH_MICROS, arrow_type(kind))


def _times(fields: _Fields, kind: Kind) -> pa.Array:
    micros = fields.numbers(">i8").astype(np.int64)
    if ((micros >= DAY_MICROS) & fields.is_valid).any():
        return _texts_of(fields, micros, text_of_time)
    return _plain(fields, micros, arrow_type(kind))


def _texts_of(fields: _Fields, values: Numbers, spell: Callable[[int], str]) -> pa.Array:
    pairs = zip(values.tolist(), fields.is_valid.tolist(), strict=True)
    return pa.array([spell(value) if there else None for value, there in pairs], pa.string())


def _texts(fields: _Fields, kind: Kind) -> pa.Array:
    return _as_text(_slices(fields, 0), kind)


def _jsonb(fields: _Fields, kind: Kind) -> pa.Array:
    return _as_text(_slices(fields, 1), kind)


def _slices(fields: _Fields, skipped: int) -> pa.Array:
    """Returns the bytes of each field: every other slice of the rows, copied by Arrow."""
    count = fields.count
    bounds = np.empty(2 * count, np.int32)
    bounds[0::2] = fields.starts + skipped
    bounds[1::2] = fields.starts + np.maximum(fields.lengths, skipped)
    if count == 0:
        return pa.nulls(0, pa.binary())
    bits = np.ones(2 * count - 1, np.bool_)
    bits[0::2] = fields.is_valid
    buffers = [
        pa.py_buffer(np.packbits(bits, bitorder="little")),
        pa.py_buffer(bounds),
        pa.py_buffer(fields.content),
    ]
    whole = pa.Array.from_buffers(pa.binary(), 2 * count - 1, buffers)
    return whole.take(_evens(count))


def _evens(count: int) -> pa.Array:
    numbers = np.arange(0, 2 * count, 2, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(numbers)])


def _as_text(array: pa.Array, kind: Kind) -> pa.Array:
    try:
        text = array.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise DataError(
            "A text of the database is not valid UTF-8: its encoding is SQL_ASCII.",
            remedy="Correct the text, or move the database to the encoding UTF8.",
        ) from error
    return pa.ExtensionArray.from_storage(JSON_TYPE, text) if kind is Kind.JSON else text


def _uuids(fields: _Fields, kind: Kind) -> pa.Array:
    del kind
    raw = np.lib.stride_tricks.sliding_window_view(fields.content, 16)[fields.starts]
    text = uuid_texts(raw)
    _, ends, content = text.buffers()
    return pa.Array.from_buffers(pa.string(), fields.count, [fields.validity(), ends, content])


def _bytes(fields: _Fields, kind: Kind) -> pa.Array:
    del kind
    values = [None if raw is None else base64.b64encode(raw).decode() for raw in fields.each()]
    return pa.array(values, pa.string())


def _numerics(fields: _Fields, kind: Kind) -> pa.Array:
    data_type = arrow_type(kind)
    scale = int(data_type.scale)
    is_valid = fields.is_valid
    count = np.where(is_valid, fields.numbers(">u2"), 0).astype(np.int64)
    header = [_unaligned(fields.content, ">i2")[fields.starts + 2 * place] for place in (1, 2, 3)]
    weight = np.where(is_valid, header[0], 0).astype(np.int64)
    sign = np.where(is_valid, header[1].view(">u2"), 0)
    groups = _grid(fields, count, weight, scale)
    is_number = (sign == NUMERIC_POSITIVE) | (sign == NUMERIC_NEGATIVE)
    if groups is None or not is_number.all() or _has_more_digits(groups, data_type):
        texts = [None if raw is None else text_of_numeric(raw) for raw in fields.each()]
        return pa.array(texts, pa.string())
    low, high = decimals_of(groups, scale, sign == NUMERIC_NEGATIVE)
    return _plain(fields, np.stack((low, high), axis=1), data_type)


def _grid(fields: _Fields, count: Numbers, weight: Numbers, scale: int) -> Numbers | None:
    """Returns the digits of every value in the same places; None when a scale cannot hold them."""
    places = -(-scale // 4)
    most = int(count.max(initial=0))
    tops = weight[count > 0]
    top = max(0, int(tops.max(initial=0)))
    if top > _MOST_WEIGHT or (weight - count + 1 < -places)[count > 0].any():
        return None
    groups = np.zeros((fields.count, top + 1 + places), np.uint16)
    digits = _unaligned(fields.content, ">u2")
    every = np.arange(fields.count)
    for place in range(most):
        there = every[place < count]
        column = top - weight[there] + place
        groups[there, column] = digits[fields.starts[there] + 8 + 2 * place]
    cut = 10 ** (places * 4 - scale)
    return None if places and (groups[:, -1] % cut).any() else groups


_MOST_WEIGHT: Final = 9
"""Groups before the point of 40 digits; decimal128 holds 38."""


def _has_more_digits(groups: Numbers, data_type: pa.DataType) -> bool:
    """Tells whether a value has more digits before the point than the type."""
    whole = groups.shape[1] - -(-data_type.scale // 4)
    room = data_type.precision - data_type.scale
    for place in range(whole):
        behind = (whole - place - 1) * 4
        largest = 10 ** min(4, max(0, room - behind))
        if (groups[:, place] >= largest).any():
            return True
    return False


_READERS: Final[Mapping[Form, Callable[[_Fields, Kind], Any]]] = {
    Form.BOOLEAN: _booleans,
    Form.INT2: _integers(">i2"),
    Form.INT4: _integers(">i4"),
    Form.INT8: _integers(">i8"),
    Form.OID: _integers(">u4"),
    Form.FLOAT4: _floats(">f4"),
    Form.FLOAT8: _floats(">f8"),
    Form.DATE: _dates,
    Form.TIME: _times,
    Form.TIMESTAMP: _timestamps,
    Form.TEXT: _texts,
    Form.JSONB: _jsonb,
    Form.UUID: _uuids,
    Form.BYTES: _bytes,
}
