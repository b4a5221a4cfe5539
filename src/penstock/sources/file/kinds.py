"""Which kind holds every value of a column exactly: for text in SQL, and for Python values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from penstock.data.types import Kind, widened

_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":[0-5][0-9](\.[0-9]{1,6}0*)?"
_MOMENT = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_CLOCK}({_SECONDS})?"
_MOMENT_TZ = _MOMENT + r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_TIME_OF_DAY = _CLOCK + _SECONDS
_REAL = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?"

_LONGEST_NUMBER = 400
# DuckDB works out what occurs twice in a CASE before it: megabytes of text would go through it.
_SHORT = f"left({{x}}, {_LONGEST_NUMBER})"

# A double has the literal's value, as far as its digits go: at most 15 significant ones always,
# 16 and 17 when writing the double (shortest, or with 17 digits as %.17g) gives them back.
_DIGITS = (
    f"rtrim(ltrim(regexp_replace(regexp_replace({_SHORT}, '[eE].*$', ''), '[-.]', '', 'g'), '0'),"
    " '0')"
)
_WRITTEN = (
    "rtrim(regexp_replace(printf('%.16e', try_cast({x} as double)), '[-.]|e.*$', '', 'g'), '0')"
)
_SHORTEST = (
    "rtrim(ltrim(regexp_replace(regexp_replace(try_cast({x} as double)::varchar, '[eE].*$', ''),"
    " '[-.]', '', 'g'), '0'), '0')"
)
SHORT_NUMBER: Final = 15
"""Characters of a number that a double always holds: sixteen digits may be one too many."""

_EXACT_DOUBLE = f"""case
    when strlen({{x}}) > {_LONGEST_NUMBER} or not regexp_full_match({{x}}, '{_REAL}') then false
    when strlen({{x}}) <= {SHORT_NUMBER} and not contains(lower({{x}}), 'e') then true
    when not isfinite(try_cast({{x}} as double)) then false
    when {_DIGITS} = '' then true
    when abs(try_cast({{x}} as double)) < 1e-300 then false
    when strlen({_DIGITS}) <= 15 then true
    else strlen({_DIGITS}) <= 17 and {_DIGITS} in ({_SHORTEST}, {_WRITTEN})
end"""


def _when(first: str, then: str) -> str:
    """Returns both conditions as one; the second is worked out only where the first is true.

    Elsewhere than in a CASE, DuckDB works out both sides of an AND for every value.
    """
    return f"case when {first} then {then} else false end"


TEXT_RULES: Final[Mapping[Kind, str]] = {
    Kind.BOOLEAN: "{x} in ('true', 'false', 'True', 'False', 'TRUE', 'FALSE')",
    Kind.INTEGER: _when("strlen({x}) <= 40", "try_cast({x} as bigint)::varchar = {x}"),
    Kind.BIG_INTEGER: _when("strlen({x}) <= 40", "try_cast({x} as decimal(38, 0))::varchar = {x}"),
    Kind.NUMBER: _EXACT_DOUBLE,
    Kind.DECIMAL: r"regexp_full_match({x}, '-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9}0*)?')",
    Kind.DATE: _when("strlen({x}) = 10", "try_cast({x} as date)::varchar = {x}"),
    Kind.TIMESTAMP: _when(
        f"strlen({{x}}) <= 60 and {{x}} >= '0001' and regexp_full_match({{x}}, '{_MOMENT}')",
        "try_cast({x} as timestamp) is not null",
    ),
    Kind.TIMESTAMP_TZ: _when(
        f"strlen({{x}}) <= 60 and {{x}} >= '0001' and regexp_full_match({{x}}, '{_MOMENT_TZ}')",
        "try_cast({x} as timestamptz) is not null",
    ),
    Kind.TIME: f"regexp_full_match({{x}}, '{_TIME_OF_DAY}')",
}
"""Kind → the SQL condition that a non-empty text `{x}` is a value of it in its one clear spelling.

Canonical integers only (007, +5 and -0 are text), ISO 8601 dates and times only (03/04/2025 is
text), numbers only where the warehouse's double or decimal has exactly the value written. The
first kind that fits all values of a column wins; none fits: STRING.
"""

SHORT_NUMBER_RULE: Final = _when(
    f"strlen({{x}}) <= {SHORT_NUMBER}", "regexp_full_match({x}, '-?(0|[1-9][0-9]*)(\\.[0-9]+)?')"
)
"""What most columns of numbers pass, at a fraction of the cost of the full rule."""

WRITTEN_NUMBER_RULE: Final = (
    "case when strlen({x}) <= 40 and try_cast({x} as double)::varchar = {x}"
    " and isfinite(try_cast({x} as double)) then true"
    f" else {SHORT_NUMBER_RULE} end"
)
"""The same for columns of full doubles: a text that the double itself is written as is exact."""


def text_rule(kind: Kind, expression: str) -> str:
    """Returns the condition that `expression` (SQL, text) is exactly a value of `kind`."""
    return f"({TEXT_RULES[kind].replace('{x}', expression)})"


def guessed(texts: Sequence[str]) -> Kind | None:
    """Returns the likely kind of a column from some of its texts; to be proved on all."""
    found = {_kind_of_text(text) for text in texts if text}
    if not found:
        return None
    if len(found) == 1:
        return found.pop()
    numbers = {Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL}
    if not found <= numbers:
        return Kind.STRING
    if Kind.DECIMAL in found:
        return Kind.DECIMAL
    return Kind.NUMBER if Kind.NUMBER in found else Kind.BIG_INTEGER


def _kind_of_text(text: str) -> Kind:
    if text in ("true", "false", "True", "False", "TRUE", "FALSE"):
        return Kind.BOOLEAN
    if _INTEGER_TEXT.fullmatch(text):
        return _kind_of_int(int(text)) if len(text) <= 39 else Kind.STRING
    if _REAL_TEXT.fullmatch(text):
        return _kind_of_real(text)
    if _TIME_TEXT.fullmatch(text):
        return Kind.TIME
    return kind_of_text_moment(text)


def _kind_of_real(text: str) -> Kind:
    value, double = Decimal(text), float(text)
    if math.isfinite(double) and (
        Decimal(repr(double)) == value or Decimal(f"{double:.16e}") == value
    ):
        return Kind.NUMBER
    return Kind.DECIMAL if _DECIMAL_TEXT.fullmatch(text) else Kind.STRING


def first_fitting(misfits: Mapping[Kind, int]) -> Kind:
    """Returns the first kind without a misfit, in the order of the rules; else STRING."""
    return next((kind for kind in TEXT_RULES if misfits.get(kind, 1) == 0), Kind.STRING)


def holds(wanted: Kind, found: Kind) -> bool:
    """Tells whether a verified value of `found` can be handed on typed to a `wanted` column.

    False means that its text must travel instead, so that nothing is reformatted on the way
    (1.50 in a text column) and a misfit is recorded where the column is filled.
    """
    return wanted is found or (
        found is Kind.INTEGER and wanted in (Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL)
    )


def merged(kinds: Sequence[Kind | None]) -> Kind:
    """Returns the kind of a column that several files share; None is a file without a value."""
    known = [kind for kind in kinds if kind is not None]
    if not known:
        return Kind.STRING
    result = known[0]
    for kind in known[1:]:
        result = widened(result, kind)
    return result


_INT64: Final = range(-(2**63), 2**63)
_BIG: Final = 10**38
_INTEGER_TEXT: Final = re.compile("0|-?[1-9][0-9]*")
_REAL_TEXT: Final = re.compile(_REAL)
_DECIMAL_TEXT: Final = re.compile(r"-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9}0*)?")
_TIME_TEXT: Final = re.compile(_TIME_OF_DAY)
_DATE_TEXT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT_TEXT: Final = re.compile(_MOMENT)
_MOMENT_TZ_TEXT: Final = re.compile(_MOMENT_TZ)


class ValueKinds:
    """Finds the kind of one column from Python values, as JSON and Excel give them."""

    def __init__(self) -> None:
        self.kinds: set[Kind] = set()
        self.has_text = False

    def add(self, value: Any) -> None:
        """Takes one value into account; None says nothing about the kind."""
        if value is not None:
            self.kinds.add(kind_of_value(value))
            self.has_text = self.has_text or isinstance(value, str)

    @property
    def kind(self) -> Kind | None:
        """None when no value was seen."""
        if not self.kinds:
            return None
        whole = {Kind.INTEGER, Kind.BIG_INTEGER}
        if Kind.NUMBER in self.kinds and self.kinds <= whole | {Kind.NUMBER}:
            return Kind.NUMBER
        return merged(sorted(self.kinds))


def kind_of_value(value: Any) -> Kind:  # noqa: PLR0911
    """Returns the kind of one Python value; text is a moment only in ISO 8601 spelling."""
    match value:
        case bool():
            return Kind.BOOLEAN
        case int():
            return _kind_of_int(value)
        case float() | Decimal():
            return Kind.NUMBER
        case datetime():
            return Kind.TIMESTAMP_TZ if value.tzinfo else Kind.TIMESTAMP
        case date():
            return Kind.DATE
        case time():
            return Kind.TIME
        case str():
            return kind_of_text_moment(value)
        case dict() | list():
            return Kind.JSON
        case _:
            return Kind.STRING


def _kind_of_int(value: int) -> Kind:
    if value in _INT64:
        return Kind.INTEGER
    return Kind.BIG_INTEGER if abs(value) < _BIG else Kind.STRING


def kind_of_text_moment(text: str) -> Kind:
    """Returns DATE, TIMESTAMP or TIMESTAMP_TZ for a possible ISO 8601 moment, else STRING."""
    if len(text) < 10 or not text[0].isdigit():
        return Kind.STRING
    for pattern, kind in (
        (_DATE_TEXT, Kind.DATE),
        (_MOMENT_TEXT, Kind.TIMESTAMP),
        (_MOMENT_TZ_TEXT, Kind.TIMESTAMP_TZ),
    ):
        if pattern.fullmatch(text):
            return kind if _is_moment(text) else Kind.STRING
    return Kind.STRING


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
