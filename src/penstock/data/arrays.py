"""Arrow over numpy memory and back, without pyarrow, whose own ways import pandas: 0.4 CPU s."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

_MAX_TEXT_BYTES: Final = (1 << 31) - 1
_NUMPY: Final = {pa.int32(): np.int32, pa.int64(): np.int64, pa.float64(): np.float64}


def of_values(values: list[Any], data_type: pa.DataType) -> pa.Array:
    """Returns Python values as an array of the type; only texts of 2 GiB go through pyarrow."""
    is_there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    valid = None if is_there.all() else pa.py_buffer(np.packbits(is_there, bitorder="little"))
    plain = _NUMPY.get(data_type)
    if plain is not None:
        numbers = np.fromiter(
            (0 if value is None else value for value in values), plain, len(values)
        )
        return pa.Array.from_buffers(data_type, len(values), [valid, pa.py_buffer(numbers)])
    if pa.types.is_boolean(data_type):
        bits = flags(np.fromiter(map(bool, values), np.bool_, len(values))).buffers()[1]
        return pa.Array.from_buffers(data_type, len(values), [valid, bits])
    if pa.types.is_string(data_type):
        texts = [b"" if value is None else value.encode() for value in values]
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        if not len(ends) or ends[-1] <= _MAX_TEXT_BYTES:
            offsets = pa.py_buffer(np.concatenate(([0], ends)).astype(np.int32))
            content = pa.py_buffer(b"".join(texts))
            return pa.Array.from_buffers(data_type, len(values), [valid, offsets, content])
    if pa.types.is_decimal(data_type):
        texts_of = [None if value is None else f"{value:f}" for value in values]
        return of_values(texts_of, pa.string()).cast(data_type)
    return pa.array(values, data_type)


def whole_numbers(values: np.ndarray[Any, Any], data_type: pa.DataType) -> pa.Array:
    """Returns integers as an array of a type of the same width, without copying them."""
    contiguous = np.ascontiguousarray(values)
    return pa.Array.from_buffers(data_type, len(contiguous), [None, pa.py_buffer(contiguous)])


def flags(values: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Array:
    """Returns booleans as an array."""
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def numbers_of(array: pa.Array) -> np.ndarray[Any, Any]:
    """Returns the integers of an array as numpy, without copying; what stands at a null is void."""
    width = array.type.bit_width // 8
    values = np.frombuffer(array.buffers()[1] or b"", f"i{width}")
    return values[array.offset : array.offset + len(array)]


def flags_of(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Returns the booleans of an array as numpy; what stands at a null is void."""
    end = array.offset + len(array)
    bits = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return np.unpackbits(bits, count=end, bitorder="little")[array.offset :].view(np.bool_)
