"""What becomes of one JSON value in a column of one kind: the reference every faster path equals.

| column        | taken as it is                       | changed                                  |
|---------------|--------------------------------------|------------------------------------------|
| INTEGER       | 12, "12", 12.0, 1.2e1                | 1.7, true, "x" NULLED; over int64 NULLED |
| BIG_INTEGER   | the same up to 38 digits             | the same                                 |
| NUMBER        | a literal its double gives back      | else nearest TRUNCATED; 1e400 NULLED     |
| DECIMAL       | up to 29 digits and 9 places         | more places TRUNCATED, more digits NULLED |
| BOOLEAN       | true, false, "true", "false"         | all else NULLED                           |
| STRING        | strings; literals and JSON as text   | not Unicode: U+FFFD, TRUNCATED            |
| DATE and kin  | see `penstock.data.temporal`         | digits beyond microseconds TRUNCATED      |
| JSON          | everything, to the digit (`plain`)   | not Unicode, NaN inside: TRUNCATED        |

NaN and Infinity, which are not JSON, are NULLED in every column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import orjson

from penstock.data import temporal
from penstock.data.json_text import is_json, mend, mend_string, plain
from penstock.data.types import Kind
from penstock.protocol.messages import ChangeKind


class Misfit(NamedTuple):
    """Why a value is not as the source had it, in the protocol's words."""

    change: str
    reason: str


WRONG_TYPE: Final = Misfit(ChangeKind.NULLED, "DESTINATION_TYPECAST_ERROR")
TOO_BIG: Final = Misfit(ChangeKind.NULLED, "DESTINATION_FIELD_SIZE_LIMITATION")
ROUNDED: Final = Misfit(ChangeKind.TRUNCATED, "DESTINATION_FIELD_SIZE_LIMITATION")
NOT_UNICODE: Final = Misfit(ChangeKind.TRUNCATED, "SOURCE_SERIALIZATION_ERROR")
NOT_JSON: Final = Misfit(ChangeKind.NULLED, "SOURCE_SERIALIZATION_ERROR")

Coerced = tuple[Any, Misfit | None]

_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SHORT_INTEGER: Final = re.compile(rb"-?[0-9]{1,18}")
_EXACT_DOUBLE: Final = re.compile(rb"-?(?:[0-9]{1,15}|(?=[0-9.]{3,16}\Z)[0-9]+\.[0-9]+)")
_QUOTE: Final = ord('"')
_NAN_STARTS: Final = frozenset(b"NI")
_JSON_STARTS: Final = frozenset(b"{[")
_NINE_PLACES: Final = Decimal("1e-9")
_ONE: Final = Decimal(1)


def coerce(text: bytes, kind: Kind) -> Coerced:
    """Returns the column's value for one JSON value given as text, and what was changed.

    Values are int for INTEGER, float for NUMBER, Decimal for BIG_INTEGER and DECIMAL, days for
    DATE, microseconds for the other temporal kinds, str for STRING and JSON. Never raises.
    """
    return coercer(kind)(text)


def coercer(kind: Kind) -> Callable[[bytes], Coerced]:
    """Returns `coerce` for one kind."""
    return _COERCERS[kind]


def _is_nan(text: bytes) -> bool:
    return text[0] in _NAN_STARTS or text[:2] == b"-I"


def _text_of(text: bytes) -> tuple[str | None, Misfit | None]:
    """Returns the content of a JSON string, repaired where it is not Unicode."""
    try:
        content: str = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            content = orjson.loads(mend_string(text))
        except orjson.JSONDecodeError:
            return None, NOT_JSON
        return content, NOT_UNICODE
    return content, None


def _literal(text: bytes) -> bytes | None:
    """Returns the number in a JSON value, or in a JSON string: its literal, or None."""
    if text[0] == _QUOTE:
        text = text[1:-1]
    return text if _NUMBER.fullmatch(text) else None


def _decimal(literal: bytes) -> Decimal | None:
    """Returns the exact value; None when its exponent is beyond any column (10^18 digits)."""
    try:
        return Decimal(literal.decode("ascii"))
    except InvalidOperation:
        mantissa = re.split(rb"[eE]", literal)[0]
        return None if mantissa.strip(b"-0.") else Decimal(0)


def _integer(text: bytes) -> Coerced:
    if _SHORT_INTEGER.fullmatch(text):
        return int(text), None
    whole, misfit = _whole(text, 19)
    if whole is None:
        return None, misfit
    number = int(whole)
    return (number, None) if -(1 << 63) <= number < 1 << 63 else (None, TOO_BIG)


def _big_integer(text: bytes) -> Coerced:
    return _whole(text, 38)


def _whole(  # noqa: PLR0911 - one return a rule
    text: bytes, digits: int
) -> tuple[Decimal | None, Misfit | None]:
    if text == b"null":
        return None, None
    literal = _literal(text)
    if literal is None:
        return None, NOT_JSON if _is_nan(text) else WRONG_TYPE
    value = _decimal(literal)
    if value is None:
        return None, WRONG_TYPE if _is_tiny(literal) else TOO_BIG
    if not value:
        return Decimal(0), None
    if value.adjusted() >= digits:
        return None, TOO_BIG
    if value.adjusted() < 0 or value != value.to_integral_value(context=_roomy(value)):
        return None, WRONG_TYPE
    return value.quantize(_ONE, context=_roomy(value)), None


def _is_tiny(literal: bytes) -> bool:
    return b"e-" in literal.lower()


def _roomy(value: Decimal) -> Context:
    """Returns a context in which rounding to nine places never runs out of digits."""
    return Context(prec=len(value.as_tuple().digits) + 60, rounding=ROUND_HALF_EVEN)


def _number(text: bytes) -> Coerced:
    if _EXACT_DOUBLE.fullmatch(text):
        return float(text), None
    if text == b"null":
        return None, None
    literal = _literal(text)
    if literal is None:
        return None, NOT_JSON if _is_nan(text) else WRONG_TYPE
    double = float(literal)
    if math.isinf(double):
        return None, TOO_BIG
    return double, None if _decimal(literal) == Decimal(repr(double)) else ROUNDED


def _decimal_number(text: bytes) -> Coerced:  # noqa: PLR0911 - one return a rule
    if text == b"null":
        return None, None
    literal = _literal(text)
    if literal is None:
        return None, NOT_JSON if _is_nan(text) else WRONG_TYPE
    value = _decimal(literal)
    if value is None:
        return (
            (Decimal(0).quantize(_NINE_PLACES), ROUNDED) if _is_tiny(literal) else (None, TOO_BIG)
        )
    if value and value.adjusted() >= 29:
        return None, TOO_BIG
    if value.adjusted() < -40:
        return Decimal(0).quantize(_NINE_PLACES), ROUNDED if value else None
    rounded = value.quantize(_NINE_PLACES, context=_roomy(value))
    if rounded and rounded.adjusted() >= 29:
        return None, TOO_BIG
    return rounded, None if rounded == value else ROUNDED


def _boolean(text: bytes) -> Coerced:
    if text in (b"true", b'"true"'):
        return True, None
    if text in (b"false", b'"false"'):
        return False, None
    if text == b"null":
        return None, None
    return None, NOT_JSON if _is_nan(text) else WRONG_TYPE


def _string(text: bytes) -> Coerced:
    if text[0] == _QUOTE:
        return _text_of(text)
    if text == b"null":
        return None, None
    if _is_nan(text):
        return None, NOT_JSON
    if text[0] in _JSON_STARTS:
        return _json(text)
    return text.decode("ascii", "replace"), None


def _json(text: bytes) -> Coerced:
    if text == b"null":
        return None, None
    if _is_nan(text):
        return None, NOT_JSON
    if is_json(text):
        return plain(text).decode(), None
    mended = mend(text)
    if not is_json(mended):
        return None, NOT_JSON
    return plain(mended).decode(), NOT_UNICODE


def _temporal(read: Callable[[str], tuple[int, bool]]) -> Callable[[bytes], Coerced]:
    def of(text: bytes) -> Coerced:
        if text == b"null":
            return None, None
        if text[0] != _QUOTE:
            return None, NOT_JSON if _is_nan(text) else WRONG_TYPE
        content, misfit = _text_of(text)
        if content is None:
            return None, misfit
        try:
            value, is_cut = read(content)
        except temporal.Unfit as error:
            return None, TOO_BIG if error.is_too_big else WRONG_TYPE
        return value, ROUNDED if is_cut else None

    return of


def _date(content: str) -> tuple[int, bool]:
    return temporal.date(content), False


_COERCERS: Final[dict[Kind, Callable[[bytes], Coerced]]] = {
    Kind.STRING: _string,
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.BIG_INTEGER: _big_integer,
    Kind.NUMBER: _number,
    Kind.DECIMAL: _decimal_number,
    Kind.DATE: _temporal(_date),
    Kind.TIMESTAMP_TZ: _temporal(temporal.instant),
    Kind.TIMESTAMP: _temporal(temporal.instant),
    Kind.TIME: _temporal(temporal.time),
    Kind.JSON: _json,
}
