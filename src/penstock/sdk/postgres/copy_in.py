"""Arrow batches as the bytes of COPY … FROM STDIN (FORMAT binary), a column at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind
from penstock.sdk.postgres.vectors import flags_of, numbers_of
from penstock.sdk.postgres.wire import EPOCH_DAYS, EPOCH_MICROS, Numbers, numeric_block

_PIECE_BYTES: Final = 16 << 20
"""Rows are encoded in pieces of about this size, far below what one Arrow array may hold."""
_NULL: Final = b"\xff\xff\xff\xff"
_JSONB_VERSION: Final = b"\x01"
_BINARY: Final = pa.binary()


def encoded_rows(batch: pa.RecordBatch, kinds: Sequence[Kind]) -> Iterator[pa.Buffer]:
    """Yields the rows of a batch, whose columns are of these kinds, without header or trailer.

    Text and JSON must hold no U+0000, days and instants must be within the server's limits.
    """
    count = batch.num_rows
    rows = max(1, count * _PIECE_BYTES // max(1, batch.nbytes))
    for start in range(0, count, rows):
        yield _encoded(batch.slice(start, rows), kinds)


def _encoded(batch: pa.RecordBatch, kinds: Sequence[Kind]) -> pa.Buffer:
    head = pa.scalar(len(kinds).to_bytes(2, "big"), _BINARY)
    parts: list[pa.Array | pa.Scalar] = [head]
    for column, kind in zip(batch.columns, kinds, strict=True):
        parts.extend(_parts(column, kind))
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", _BINARY), null_handling="replace")
    _, offsets, content = joined.buffers()
    ends = np.frombuffer(offsets, np.int32)
    first, last = int(ends[joined.offset]), int(ends[joined.offset + len(joined)])
    return content.slice(first, last - first)


def _parts(column: pa.Array, kind: Kind) -> list[pa.Array]:
    """Returns what stands for a column in each row: its length, and its bytes."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    match kind:
        case Kind.STRING:
            return [_lengths(column, 0), column.cast(_BINARY)]
        case Kind.JSON:
            return [_lengths(column, 1), column.cast(_BINARY)]
        case Kind.BOOLEAN:
            block = flags_of(column).view(np.uint8).reshape(-1, 1)
        case Kind.INTEGER | Kind.TIME:
            block = _big_endian(numbers_of(column), ">i8")
        case Kind.NUMBER:
            block = _big_endian(numbers_of(column), ">i8")
        case Kind.DATE:
            block = _big_endian(numbers_of(column) - EPOCH_DAYS, ">i4")
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            block = _big_endian(numbers_of(column) - EPOCH_MICROS, ">i8")
        case Kind.BIG_INTEGER | Kind.DECIMAL:
            block = numeric_block(column)
        case _:
            assert_never(kind)
    return [_fields(block, column)]


def _big_endian(values: Numbers, form: str) -> Numbers:
    return values.astype(form).view(np.uint8).reshape(len(values), -1)


def _fields(block: Numbers, column: pa.Array) -> pa.Array:
    """Returns fields of one width, each behind its length; a null is its length alone."""
    count, width = block.shape
    whole = np.empty((count, 4 + width), np.uint8)
    whole[:, :4] = np.frombuffer(width.to_bytes(4, "big"), np.uint8)
    whole[:, 4:] = block
    if column.null_count == 0:
        ends = np.arange(0, (count + 1) * (4 + width), 4 + width, dtype=np.int32)
        return _binary(ends, whole)
    is_valid = flags_of(column.is_valid())
    whole[~is_valid, :4] = np.frombuffer(_NULL, np.uint8)
    is_kept = np.ones(whole.shape, np.bool_)
    is_kept[:, 4:] = is_valid[:, np.newaxis]
    ends = np.zeros(count + 1, np.int32)
    np.cumsum(np.where(is_valid, 4 + width, 4), out=ends[1:])
    return _binary(ends, whole[is_kept])


def _lengths(column: pa.Array, extra: int) -> pa.Array:
    """Returns the length of each text, and the version byte of jsonb where there is one."""
    count = len(column)
    ends = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + count + 1]
    lengths = np.diff(ends) + extra
    if column.null_count:
        lengths[~flags_of(column.is_valid())] = -1
    block = _big_endian(lengths, ">i4")
    if not extra:
        return _binary(np.arange(0, (count + 1) * 4, 4, dtype=np.int32), block)
    whole = np.concatenate((block, np.full((count, 1), _JSONB_VERSION[0], np.uint8)), axis=1)
    if not column.null_count:
        return _binary(np.arange(0, (count + 1) * 5, 5, dtype=np.int32), whole)
    is_valid = flags_of(column.is_valid())
    is_kept = np.ones(whole.shape, np.bool_)
    is_kept[:, 4] = is_valid
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.where(is_valid, 5, 4), out=offsets[1:])
    return _binary(offsets, whole[is_kept])


def _binary(ends: Numbers, content: np.ndarray[Any, Any]) -> pa.Array:
    flat = np.ascontiguousarray(content).reshape(-1)
    return pa.Array.from_buffers(
        _BINARY, len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(flat)]
    )
