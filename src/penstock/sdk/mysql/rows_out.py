"""Rows of the text protocol as Arrow batches, a column at a time.

A row is one packet, and every field in it begins with its length (MySQL "Text Resultset Row"), so
that the fields of all rows are found together, without a loop over them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pymysql.err import OperationalError, raise_mysql_exception

from penstock.data.types import JSON_TYPE, Kind, arrow_type, kind_of_decimal
from penstock.errors import DataError, ProtocolError
from penstock.sdk.mysql.connection import Connection, begin_select

Numbers = npt.NDArray[Any]

_PADDING: Final = bytes(16)
_BATCH_BYTES: Final = 4 << 20
_BATCH_ROWS: Final = 32_768
_WHOLE_PACKET: Final = 0xFFFFFF
"""A packet of this length goes on in the next one."""
_NULL, _TWO, _THREE, _EIGHT = 0xFB, 0xFC, 0xFD, 0xFE


class Form(Enum):
    """How the server writes a column's values."""

    TEXT = auto()
    """As the kind's own text."""
    FLAG = auto()
    """0 and 1."""
    BYTES = auto()
    """Any bytes, which become base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutColumn:
    """One column of a SELECT: what it is called, what it holds, how it is written."""

    name: str
    kind: Kind
    form: Form = Form.TEXT


def select(
    connection: Connection, query: str, columns: Sequence[OutColumn]
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query whose columns are written as `columns` says; see `rows_begun`."""
    result = begin_select(connection, query)
    if result.field_count != len(columns):
        raise ProtocolError(
            f"A query of {len(columns)} columns gave {result.field_count}.",
            remedy="Report it with the version of the server (SELECT version()).",
        )
    yield from rows_begun(connection, columns)


def rows_begun(connection: Connection, columns: Sequence[OutColumn]) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query that was begun, at least one batch.

    A column with a value that its kind cannot hold (a zero date, a time of more than a day, more
    digits) comes as text in that batch. Closing the iterator early leaves the connection unusable.
    """
    is_first = True
    rows: list[bytes] = []
    size = 0
    for row in _payloads(connection):
        rows.append(row)
        size += len(row)
        if size >= _BATCH_BYTES or len(rows) >= _BATCH_ROWS:
            yield rows_to_batch(rows, columns)
            rows, size, is_first = [], 0, False
    if rows or is_first:
        yield rows_to_batch(rows, columns)


def rows_to_batch(rows: Sequence[bytes], columns: Sequence[OutColumn]) -> pa.RecordBatch:
    """Returns one batch of rows, each the bytes of one packet."""
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    content = np.frombuffer(b"".join([*rows, _PADDING]), np.uint8)
    ends = np.cumsum(sizes)
    places = ends - sizes
    arrays = []
    for column in columns:
        starts, lengths, is_valid = _field(content, places)
        arrays.append(_array(_slices(content, starts, lengths, is_valid), column))
        places = starts + lengths
    if (places != ends).any():
        raise ProtocolError(
            "A row of the server does not end where its last field ends.",
            remedy="Report it with the version of the server (SELECT version()).",
        )
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def described(result: Any) -> list[OutColumn]:
    """Returns the columns of a query as the server describes them."""
    return [_of_field(field) for field in result.fields]


def typed(texts: pa.Array, kind: Kind) -> pa.Array:
    """Returns texts as values of a kind; as they are where one of them cannot be."""
    if kind is Kind.STRING:
        return texts
    if kind is Kind.JSON:
        return pa.ExtensionArray.from_storage(JSON_TYPE, texts)
    if kind is Kind.TIMESTAMP_TZ:
        naive = typed(texts, Kind.TIMESTAMP)
        return texts if naive is texts else naive.view(pa.int64()).view(arrow_type(kind))
    try:
        if kind is Kind.TIME:
            moments = pc.binary_join_element_wise("1970-01-01", texts, " ")
            micros = moments.cast(pa.timestamp("us")).view(pa.int64())
            return micros.view(arrow_type(kind))
        return texts.cast(arrow_type(kind))
    except pa.ArrowInvalid:
        return texts


def _payloads(connection: Connection) -> Iterator[bytes]:
    """Yields the packets of a result's rows, up to its end."""
    private: Any = connection
    read = private._rfile.read  # noqa: SLF001
    while True:
        header = read(4)
        if len(header) < 4:
            raise _lost()
        length = header[0] | header[1] << 8 | header[2] << 16
        payload = read(length)
        while length == _WHOLE_PACKET:
            header = read(4)
            if len(header) < 4:
                raise _lost()
            length = header[0] | header[1] << 8 | header[2] << 16
            payload += read(length)
        if len(payload) < length:
            raise _lost()
        if payload[:1] == b"\xfe" and len(payload) < 9:
            return
        if payload[:1] == b"\xff":
            raise_mysql_exception(payload)
        yield payload


def _lost() -> OperationalError:
    return OperationalError(2013, "Lost connection to MySQL server during query")


def _field(content: Numbers, places: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Returns where a field begins in each row, how long it is, and whether it is not NULL."""
    first = content[places].astype(np.int64)
    lengths = np.where(first == _NULL, 0, first)
    starts = places + 1
    for mark, form, size in ((_TWO, "<u2", 2), (_THREE, "<u4", 3), (_EIGHT, "<i8", 8)):
        is_long = first == mark
        if is_long.any():
            at = places[is_long] + 1
            width = np.dtype(form).itemsize
            view = np.ndarray((len(content) - width + 1,), form, content, strides=(1,))
            values = view[at].astype(np.int64)
            lengths[is_long] = values & 0xFFFFFF if size == 3 else values
            starts[is_long] += size
    return starts, lengths, first != _NULL


def _slices(content: Numbers, starts: Numbers, lengths: Numbers, is_valid: Numbers) -> pa.Array:
    """Returns the bytes of each field: every other slice of the rows, copied by Arrow."""
    count = len(starts)
    if count == 0:
        return pa.nulls(0, pa.binary())
    bounds = np.empty(2 * count, np.int32)
    bounds[0::2] = starts
    bounds[1::2] = starts + lengths
    bits = np.ones(2 * count - 1, np.bool_)
    bits[0::2] = is_valid
    buffers = [
        pa.py_buffer(np.packbits(bits, bitorder="little")),
        pa.py_buffer(bounds),
        pa.py_buffer(content),
    ]
    whole = pa.Array.from_buffers(pa.binary(), 2 * count - 1, buffers)
    evens = np.arange(0, 2 * count, 2, dtype=np.int64)
    return whole.take(pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(evens)]))


def _array(raw: pa.Array, column: OutColumn) -> pa.Array:
    if column.form is Form.BYTES:
        return pa.array(
            [None if each is None else base64.b64encode(each).decode() for each in raw.to_pylist()],
            pa.string(),
        )
    try:
        texts = raw.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise DataError(
            f"A text in column {column.name!r} is not valid UTF-8.",
            remedy="Correct the text, or the character set of its column.",
        ) from error
    if column.form is Form.FLAG:
        return pc.equal(texts, "1") if _are_flags(texts) else texts
    return typed(texts, column.kind)


def _are_flags(texts: pa.Array) -> bool:
    return bool(pc.all(pc.is_in(texts, pa.array(["0", "1", None]))).as_py() is not False)


_BINARY: Final = 63
"""The character set of bytes."""
_UNSIGNED: Final = 32
_INTEGERS: Final = frozenset({1, 2, 3, 9, 13})
_BIGINT, _YEAR, _BIT, _JSON, _DECIMAL, _GEOMETRY = 8, 13, 16, 245, 246, 255
_NUMBERS: Final = frozenset({4, 5})
_DATE, _TIME, _MOMENTS = 10, 11, frozenset({7, 12})
_TEXTS: Final = frozenset({15, 249, 250, 251, 252, 253, 254})


def _of_field(field: Any) -> OutColumn:
    """Takes a column's kind from its definition (MySQL "Column Definition", "Field Types")."""
    kind, form = Kind.STRING, Form.TEXT
    code = field.type_code
    if code in _INTEGERS:
        kind = Kind.INTEGER
    elif code == _BIGINT:
        kind = Kind.BIG_INTEGER if field.flags & _UNSIGNED else Kind.INTEGER
    elif code in _NUMBERS:
        kind = Kind.NUMBER
    elif code == _DECIMAL:
        # The length counts a sign and a point, where there are any.
        digits = field.length - bool(field.scale) - (not field.flags & _UNSIGNED)
        kind = kind_of_decimal(digits, field.scale)
    elif code == _DATE:
        kind = Kind.DATE
    elif code == _TIME:
        kind = Kind.TIME
    elif code in _MOMENTS:
        kind = Kind.TIMESTAMP
    elif code == _JSON:
        kind = Kind.JSON
    elif code in (_BIT, _GEOMETRY) or (code in _TEXTS and field.charsetnr == _BINARY):
        form = Form.BYTES
    return OutColumn(name=field.name, kind=kind, form=form)
