"""Python values and numbers to Arrow arrays and back, past pyarrow's own ways, which import pandas.

Where pandas is installed, `pa.array` and `pa.scalar` import it, and so does a compute function
that is given a Python number or text: 0.4 CPU seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_MAX_TEXT_BYTES: Final = (1 << 31) - 1
_CODES: Final = {pa.int32(): "i", pa.int64(): "q", pa.float64(): "d"}


def of_values(values: Sequence[Any], data_type: pa.DataType) -> pa.Array:
    """Returns Python values as an array of the type; only texts of 2 GiB go through pyarrow."""
    code = _CODES.get(data_type)
    if code is not None:
        numbers = array(code, [0 if value is None else value for value in values])
        return _from_buffers(data_type, values, [pa.py_buffer(numbers)])
    if pa.types.is_boolean(data_type):
        return _from_buffers(data_type, values, [_bits(map(bool, values), len(values))])
    if pa.types.is_string(data_type):
        texts = [b"" if value is None else value.encode() for value in values]
        found = of_texts(texts)
        if found is not None:
            return _from_buffers(data_type, values, found.buffers()[1:])
    if pa.types.is_decimal(data_type):
        texts_of = [None if value is None else f"{value:f}" for value in values]
        return of_values(texts_of, pa.string()).cast(data_type)
    return pa.array(values, data_type)


def of_texts(texts: Sequence[bytes]) -> pa.Array | None:
    """Returns bytes as a string array, which nobody has proved to be UTF-8; None beyond 2 GiB."""
    offsets = array("q", accumulate(map(len, texts), initial=0))
    return None if offsets[-1] > _MAX_TEXT_BYTES else cut(b"".join(texts), offsets)


def cut(text: bytes, places: Iterable[int]) -> pa.Array:
    """Returns the parts of a text of less than 2 GiB between ascending places; not copied."""
    offsets = array("i", places)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def whole_numbers(values: Iterable[int], data_type: pa.DataType) -> pa.Array:
    """Returns integers as an array of a type of 32 or 64 bits."""
    numbers = array("i" if data_type.bit_width == 32 else "q", values)
    return pa.Array.from_buffers(data_type, len(numbers), [None, pa.py_buffer(numbers)])


def flags(values: Sequence[bool]) -> pa.Array:
    """Returns booleans as an array."""
    bits = _bits(values, len(values))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def numbers_of(numbers: pa.Array) -> memoryview[int]:
    """Returns the integers of an array, not copied, for indexing and `bisect`.

    What stands at a null is void.
    """
    content = memoryview(numbers.buffers()[1] or b"").cast("B")
    end = numbers.offset + len(numbers)
    if numbers.type.bit_width == 32:
        return content[: end * 4].cast("i")[numbers.offset :]
    return content[: end * 8].cast("q")[numbers.offset :]


def number(value: int) -> pa.Scalar:
    """Returns an integer as an int64 scalar."""
    return whole_numbers([value], pa.int64())[0]


def repeated(number: int, count: int) -> pa.Array:
    """Returns an int64 array of one number."""
    return pa.Array.from_buffers(
        pa.int64(), count, [None, pa.py_buffer(array("q", [number]) * count)]
    )


class Ascending:
    """Hands out 0, 1, 2, … as slices of one array, which grows when asked for more."""

    def __init__(self, data_type: pa.DataType) -> None:
        self._numbers = whole_numbers((), data_type)

    def first(self, count: int) -> pa.Array:
        if count > len(self._numbers):
            self._numbers = whole_numbers(range(count + count // 4), self._numbers.type)
        return self._numbers[:count]


def rows_where(is_wanted: pa.Array) -> pa.Array:
    """Returns the places of the true values, as int64; null is not true."""
    return pc.indices_nonzero(is_wanted).cast(pa.int64())


def divided(numbers: pa.Array, divisor: int) -> pa.Array:
    """Returns int64 numbers divided by a positive number, rounded towards minus infinity."""
    by = number(divisor)
    quotient = pc.divide(numbers, by)
    is_cut = pc.not_equal(pc.multiply(quotient, by), numbers)
    is_cut = pc.and_(is_cut, pc.less(numbers, number(0)))
    return pc.subtract(quotient, pc.cast(is_cut, pa.int64()))


def _bits(values: Iterable[bool], count: int) -> pa.Buffer:
    content = pa.py_buffer(bytes(values))
    return pa.Array.from_buffers(pa.uint8(), count, [None, content]).cast(pa.bool_()).buffers()[1]


def _from_buffers(
    data_type: pa.DataType, values: Sequence[Any], buffers: list[pa.Buffer | None]
) -> pa.Array:
    is_whole = all(value is not None for value in values)
    valid = None if is_whole else _bits((value is not None for value in values), len(values))
    return pa.Array.from_buffers(data_type, len(values), [valid, *buffers])
