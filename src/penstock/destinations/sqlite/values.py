"""Values as SQLite keeps them, to Arrow and back, and from one kind to another.

SQLite knows integers of 64 bits, doubles and text. What these cannot hold exactly is text: big
integers and decimals digit by digit, dates and times in ISO 8601, instants in UTC with `Z`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data import temporal
from penstock.data.arrays import number
from penstock.data.types import JSON_TYPE, Kind, arrow_type
from penstock.sdk.sqlite.types import affinity

Value = str | int | float | bytes | None

_DAY_MICROS: Final = 86_400_000_000
_YEAR_1: Final = temporal.days_from_civil(1, 1, 1)
_YEAR_10000: Final = temporal.days_from_civil(10_000, 1, 1)
_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL})
_ROOMY: Final = Context(prec=400, rounding=ROUND_HALF_EVEN)
_NINE_PLACES: Final = Decimal("1e-9")
_MOST: Final = {Kind.BIG_INTEGER: Decimal(10**38), Kind.DECIMAL: Decimal(10**29)}


def stored_values(column: pa.Array, kind: Kind) -> list[Any]:
    """Returns a column as SQLite binds it."""
    match kind:
        case Kind.BIG_INTEGER | Kind.DECIMAL:
            return [None if value is None else f"{value:f}" for value in column.to_pylist()]
        case Kind.DATE:
            return _clock(column.view(pa.int32()), column, 1, temporal.iso_date)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            suffix = "Z" if kind is Kind.TIMESTAMP_TZ else ""
            whole = column.view(pa.int64())
            texts = _clock(
                whole,
                column.view(pa.timestamp("us")),
                _DAY_MICROS,
                lambda micros: temporal.iso_instant(micros, suffix=suffix),
            )
            return [
                text if text is None or "T" in text else text.replace(" ", "T") + suffix
                for text in texts
            ]
        case Kind.TIME:
            return list(column.cast(pa.string()).to_pylist())
        case Kind.JSON:
            texts_only = column.storage if isinstance(column, pa.ExtensionArray) else column
            return list(texts_only.to_pylist())
        case _:
            return list(column.to_pylist())


def _clock(
    whole: pa.Array, column: pa.Array, per_day: int, by_value: Callable[[int], str]
) -> list[str | None]:
    """Returns ISO texts; Arrow writes the years 1 to 9999, and others are written one by one."""
    first, last = number(_YEAR_1 * per_day), number(_YEAR_10000 * per_day)
    numbers = whole.cast(pa.int64())
    is_common = pc.and_(pc.greater_equal(numbers, first), pc.less(numbers, last))
    if pc.all(is_common.fill_null(pa.scalar(value=True))).as_py() is not False:
        return list(column.cast(pa.string()).to_pylist())
    return [None if value is None else by_value(value) for value in whole.to_pylist()]


def arrow_of(  # noqa: PLR0911 (a return a kind)
    values: Sequence[Any], kind: Kind
) -> pa.Array:
    """Returns what `stored_values` made as Arrow again; ValueError for anything else."""
    target = arrow_type(kind)
    match kind:
        case Kind.BOOLEAN:
            return pa.array([None if value is None else _flag(value) for value in values], target)
        case Kind.BIG_INTEGER | Kind.DECIMAL:
            return pa.array([None if value is None else Decimal(value) for value in values], target)
        case Kind.DATE:
            days = [None if value is None else temporal.date(value) for value in values]
            return pa.array(days, pa.int32()).view(target)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            micros = [None if value is None else temporal.instant(value)[0] for value in values]
            return pa.array(micros, pa.int64()).view(target)
        case Kind.TIME:
            clocks = [None if value is None else temporal.time(value)[0] for value in values]
            return pa.array(clocks, pa.int64()).view(target)
        case Kind.JSON:
            return pa.ExtensionArray.from_storage(JSON_TYPE, pa.array(values, pa.string()))
        case _:
            return pa.array(values, target)


def _flag(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(value)
    return bool(value)


def converted(value: Any, old: Kind, new: Kind) -> Any:
    """Returns a stored value of one kind as another; rounded, or None where it does not fit."""
    if value is None or old is new:
        return value
    if new is Kind.STRING:
        return text_of(value, old)
    if new is Kind.JSON:
        return _json_of(value, old)
    if old in _NUMBERS and new in _NUMBERS:
        return _number(_exact(value), new)
    if old is Kind.TIMESTAMP_TZ and new is Kind.TIMESTAMP:
        return value.replace("Z", "", 1)
    return None


def survives(value: Any, old: Kind, new: Kind) -> bool:
    """Tells whether a stored value is the same after the conversion; numbers compare exactly."""
    result = converted(value, old, new)
    if value is None or result is None:
        return value is None
    if old in _NUMBERS and new in _NUMBERS:
        return _exact(value) == _exact(result)
    return True


def of_foreign_type(value: Any, kind: Kind, type_name: str) -> Any:
    """Returns a value for a column of a type that penstock does not make, by its affinity.

    None where SQLite would make another value of it: text that looks like a number, in a numeric
    column (https://sqlite.org/datatype3.html §3).
    """
    if value is None:
        return None
    if not affinity(type_name).startswith(("NUMERIC", "REAL", "INTEGER")):
        return text_of(value, kind)
    if kind in (Kind.BIG_INTEGER, Kind.DECIMAL):
        whole = _number(_exact(value), Kind.INTEGER)
        return _number(_exact(value), Kind.NUMBER) if whole is None else whole
    if kind is Kind.BOOLEAN:
        return int(value)
    if isinstance(value, str) and _looks_numeric(value):
        return None
    return value


def text_of(value: Any, kind: Kind) -> str:
    """Returns the text that stands for a stored value in a text column."""
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return repr(value) if kind is Kind.NUMBER else str(value)


def compare_numbers(one: str, other: str) -> int:
    """Compares two numbers written as text: the collation of big integers and decimals."""
    first, second = Decimal(one), Decimal(other)
    return (first > second) - (first < second)


def _json_of(value: Any, kind: Kind) -> str:
    text = text_of(value, kind)
    is_literal = kind in _NUMBERS or kind is Kind.BOOLEAN
    if is_literal and not (kind is Kind.NUMBER and not math.isfinite(value)):
        return text
    return json.dumps(text, ensure_ascii=False)


def _exact(value: Any) -> Decimal:
    return Decimal(value)


def _number(value: Decimal, kind: Kind) -> Any:
    if not value.is_finite():
        return float(value) if kind is Kind.NUMBER else None
    if kind is Kind.NUMBER:
        nearest = float(value)
        return nearest if math.isfinite(nearest) else None
    if kind is Kind.INTEGER:
        is_whole = value == value.to_integral_value(context=_ROOMY)
        return int(value) if is_whole and -(1 << 63) <= value < 1 << 63 else None
    places = Decimal(1) if kind is Kind.BIG_INTEGER else _NINE_PLACES
    try:
        rounded = value.quantize(places, context=_ROOMY)
    except InvalidOperation:
        return None
    return f"{rounded:f}" if abs(rounded) < _MOST[kind] else None


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
