"""The text of values no Arrow column of their kind holds: infinity, NaN, 24:00, more digits."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Final

import numpy as np

from penstock.sdk.postgres.wire import (
    DAY_MICROS,
    EPOCH_DAYS,
    EPOCH_MICROS,
    NUMERIC_INFINITY,
    NUMERIC_MINUS_INFINITY,
    NUMERIC_NAN,
    NUMERIC_NEGATIVE,
)

_SPECIAL: Final = {
    NUMERIC_NAN: "NaN",
    NUMERIC_INFINITY: "Infinity",
    NUMERIC_MINUS_INFINITY: "-Infinity",
}


def text_of_day(days: int) -> str:
    """Returns a date, given in days since 2000."""
    limits = np.iinfo(np.int32)
    if days in (limits.min, limits.max):
        return "infinity" if days > 0 else "-infinity"
    return str(np.datetime64(days + EPOCH_DAYS, "D"))


def text_of_micros(micros: int, suffix: str) -> str:
    """Returns a timestamp, given in microseconds since 2000; `suffix` is its zone."""
    limits = np.iinfo(np.int64)
    if micros in (limits.min, limits.max):
        return "infinity" if micros > 0 else "-infinity"
    unix = micros + EPOCH_MICROS
    if unix > limits.max:
        # numpy ends here too; seconds reach further.
        seconds, rest = divmod(unix, 1_000_000)
        return f"{np.datetime64(seconds, 's')!s}.{rest:06d}{suffix}"
    return str(np.datetime64(unix, "us")) + suffix


def text_of_time(micros: int) -> str:
    """Returns a time of day, given in microseconds since midnight; PostgreSQL has a 24:00:00."""
    if micros >= DAY_MICROS:
        return "24:00:00"
    _, text = str(np.datetime64(micros, "us")).split("T")
    return text


def text_of_numeric(raw: bytes) -> str:
    """Returns a numeric to its last digit, trailing zeros included, as the server writes it."""
    count, weight, sign, scale = map(int, struct.unpack_from(">hhHh", raw))
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    whole = 0
    for group in struct.unpack_from(f">{count}h", raw, 8):
        whole = whole * 10_000 + group
    exponent = 4 * (weight - count + 1)
    digits = Decimal((int(sign == NUMERIC_NEGATIVE), tuple(map(int, str(whole))), exponent))
    text = f"{digits:f}"
    point = text.find(".")
    places = len(text) - point - 1 if point >= 0 else 0
    if places > scale:
        return text[: len(text) - (places - scale)].removesuffix(".")
    return text + ("." if not places and scale else "") + "0" * (scale - places)
