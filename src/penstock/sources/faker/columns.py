"""Random words as Arrow columns: one function a kind of value, a whole column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import JSON_TYPE
from penstock.sources.faker.random import Words, below

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MICROSECONDS = 1_000_000


def integers(values: Ints, *, absent: Bools | None = None) -> pa.Array:
    """Returns an int64 column."""
    return pa.array(values, mask=absent)


def picked(texts: tuple[str | None, ...], which: Ints) -> pa.Array:
    """Returns a string column of texts from a list; None in the list is null."""
    return _dictionary(texts).take(pa.array(which))


@cache
def _dictionary(texts: tuple[str | None, ...]) -> pa.Array:
    return pa.array(texts, pa.string())


def digits(values: Ints, *, width: int = 0) -> pa.Array:
    """Returns the decimal digits of non-negative numbers, with leading zeros up to `width`."""
    text = pc.cast(pa.array(values), pa.string())
    return pc.utf8_lpad(text, width, "0") if width else text


def joined(*parts: pa.Array | str) -> pa.Array:
    """Returns the parts of each row as one string; null if any part is null."""
    return pc.binary_join_element_wise(*parts, "")


def json_of(*parts: pa.Array | str) -> pa.Array:
    """Returns the parts of each row as one JSON text."""
    return pa.ExtensionArray.from_storage(JSON_TYPE, joined(*parts))


def booleans(words: Words, *, absent: Bools | None = None) -> pa.Array:
    """Returns a boolean column, true and false alike often."""
    return pa.array((words & np.uint64(1)).astype(np.bool_), mask=absent)


def numbers(values: npt.NDArray[np.float64], *, absent: Bools | None = None) -> pa.Array:
    """Returns a float64 column."""
    return pa.array(values, mask=absent)


def dates(days: Ints, *, absent: Bools | None = None) -> pa.Array:
    """Returns a date32 column of days since 1970-01-01."""
    return pa.array(days.astype(np.int32), mask=absent).cast(pa.date32())


def instants(microseconds: Ints) -> pa.Array:
    """Returns a timestamp column in UTC, of microseconds since 1970-01-01."""
    return pa.array(microseconds).cast(pa.timestamp("us", tz="UTC"))


def wall_clock(microseconds: Ints, *, absent: Bools | None = None) -> pa.Array:
    """Returns a timestamp column without a time zone."""
    return pa.array(microseconds, mask=absent).cast(pa.timestamp("us"))


def times(microseconds: Ints) -> pa.Array:
    """Returns a time column of microseconds since midnight."""
    return pa.array(microseconds).cast(pa.time64("us"))


def decimals(
    units: Ints, *, precision: int = 38, scale: int, high: Words | None = None
) -> pa.Array:
    """Returns a decimal128 column of `units` / 10**scale.

    `high` are the upper 64 bits, for values beyond an int64; `units` are then the lower ones.
    """
    parts = np.empty((len(units), 2), dtype=np.uint64)
    parts[:, 0] = units.view(np.uint64)
    parts[:, 1] = (units >> np.int64(63)).view(np.uint64) if high is None else high
    kind = pa.decimal128(precision, scale)
    return pa.Array.from_buffers(kind, len(units), [None, pa.py_buffer(parts)])


def rarely(words: Words, share: int) -> Bools:
    """Returns true for about one row in `share`."""
    chosen: Bools = below(words >> np.uint64(40), share) == 0
    return chosen


def without(column: pa.Array, absent: Bools) -> pa.Array:
    """Returns the column with nulls where `absent`."""
    return pc.if_else(pa.array(absent), pa.scalar(None, column.type), column)


def escaped(values: Sequence[str]) -> tuple[str, ...]:
    """Returns texts as they stand between the quotes of a JSON string."""
    table = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return tuple("".join(table.get(letter, letter) for letter in value) for value in values)
