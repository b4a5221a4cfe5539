"""Random numbers as Arrow columns: one function a kind of value, a whole column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import of_values
from penstock.data.types import JSON_TYPE
from penstock.sources.faker.random import Numbers, below

MICROSECONDS = 1_000_000


def integers(values: Numbers) -> pa.Array:
    """Returns an int64 column."""
    return values.array


def picked(texts: tuple[str | None, ...], which: Numbers) -> pa.Array:
    """Returns a string column of texts from a list; None in the list is null."""
    return _dictionary(texts).take(which.array)


@cache
def _dictionary(texts: tuple[str | None, ...]) -> pa.Array:
    return of_values(texts, pa.string())


def digits(values: Numbers, *, width: int = 0) -> pa.Array:
    """Returns the decimal digits of non-negative numbers, with leading zeros up to `width`."""
    text = pc.cast(values.array, pa.string())
    return pc.utf8_lpad(text, width, "0") if width else text


def joined(*parts: pa.Array | str) -> pa.Array:
    """Returns the parts of each row as one string; null if any part is null."""
    texts = [_text(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, _text(""))


@cache
def _text(text: str) -> pa.Scalar:
    return of_values([text], pa.string())[0]


def json_of(*parts: pa.Array | str) -> pa.Array:
    """Returns the parts of each row as one JSON text."""
    return pa.ExtensionArray.from_storage(JSON_TYPE, joined(*parts))


def booleans(words: Numbers, *, absent: pa.Array | None = None) -> pa.Array:
    """Returns a boolean column, true and false alike often."""
    return without((words & 1).is_equal(1), absent)


def fractions(values: Numbers, divisor: int, *, absent: pa.Array | None = None) -> pa.Array:
    """Returns a float64 column of the values divided by a number."""
    by = of_values([float(divisor)], pa.float64())[0]
    return without(pc.divide(values.array.cast(pa.float64()), by), absent)


def dates(days: Numbers) -> pa.Array:
    """Returns a date32 column of days since 1970-01-01."""
    return days.array.cast(pa.int32()).view(pa.date32())


def instants(microseconds: Numbers) -> pa.Array:
    """Returns a timestamp column in UTC, of microseconds since 1970-01-01."""
    return microseconds.array.view(pa.timestamp("us", tz="UTC"))


def wall_clock(microseconds: Numbers, *, absent: pa.Array | None = None) -> pa.Array:
    """Returns a timestamp column without a time zone."""
    return without(microseconds.array.view(pa.timestamp("us")), absent)


def times(microseconds: Numbers) -> pa.Array:
    """Returns a time column of microseconds since midnight."""
    return microseconds.array.view(pa.time64("us"))


def decimals(
    units: Numbers, *, precision: int = 38, scale: int, high: Numbers | None = None
) -> pa.Array:
    """Returns a decimal128 column of `units` / 10**scale.

    `high` are the upper 64 bits, for values beyond an int64; `units` are then the lower ones.
    """
    # Arrow shifts int64 by at most 62 bits.
    upper = units >> 62 >> 1 if high is None else high
    count = len(units.array)
    content = bytearray(16 * count)
    parts = memoryview(content).cast("Q")
    parts[0::2] = _words_of(units)
    parts[1::2] = _words_of(upper)
    buffers = [None, pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.decimal128(precision, scale), count, buffers)


def _words_of(numbers: Numbers) -> memoryview[int]:
    array = numbers.array
    start, end = 8 * array.offset, 8 * (array.offset + len(array))
    return memoryview(array.buffers()[1]).cast("B")[start:end].cast("Q")


def rarely(words: Numbers, share: int) -> pa.Array:
    """Returns true for about one row in `share`."""
    return below(words >> 40, share).is_equal(0)


def without(column: pa.Array, absent: pa.Array | None) -> pa.Array:
    """Returns the column with nulls where `absent`."""
    if absent is None:
        return column
    return pc.if_else(absent, pa.nulls(1, column.type)[0], column)


def escaped(values: Sequence[str]) -> tuple[str, ...]:
    """Returns texts as they stand between the quotes of a JSON string."""
    table = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return tuple("".join(table.get(letter, letter) for letter in value) for value in values)
