"""The values that are lost first: limits of each kind, and texts that look like something else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

from penstock.data.types import Kind
from penstock.testing.cells import Cell, days, micros, micros_of_day

STRINGS: Final[Mapping[str, str]] = {
    "empty": "",
    "one space": " ",
    "spaces around": "  a  ",
    "leading zeros": "00712",
    "zero": "0",
    "looks like null": "null",
    "looks like NULL": "NULL",
    "copy's null": "\\N",
    "looks like true": "true",
    "looks like a number": "1e5",
    "long number": "12345678901234567890.10",
    "looks like a date": "2024-02-30",
    "looks like json": '{"a": 1}',
    "upper and lower": "AbCdEf",
    "single quote": "it's; DROP TABLE users; --",
    "double quote": 'say "hello"',
    "backslash": "C:\\new\\table\\x00",
    "percent and braces": "100 % {0} %s :name $1 ?",
    "new lines": "one\ntwo\r\nthree\rfour",
    "tab": "a\tb",
    "control characters": "\x01\x1f\x7f",
    "NUL": "before\x00after",
    "devanagari": "पुणे महाराष्ट्र",
    "right to left": "שלום مرحبا",
    "emoji with joiner": "👩\u200d⚕️ 🇮🇳",
    "composed é": "\u00e9",
    "decomposed é": "e\u0301",
    "outside the basic plane": "𝄞\U0010ffff",
    "not a character": "\uffff\ufeff",
    "dotless i": "İıßſ",
    "comma and separator": 'a,b;c|d"',
    "a million characters": "penstöck" * 125_000,
}

INTEGERS: Final[Mapping[str, int]] = {
    "0": 0,
    "-1": -1,
    "2^31": 2**31,
    "2^53+1": 2**53 + 1,
    "-(2^53+1)": -(2**53 + 1),
    "largest": 2**63 - 1,
    "smallest": -(2**63),
}

BIG_INTEGERS: Final[Mapping[str, int]] = {
    "0": 0,
    "-1": -1,
    "2^63": 2**63,
    "2^64+1": 2**64 + 1,
    "largest": 10**38 - 1,
    "smallest": -(10**38 - 1),
}

NUMBERS: Final[Mapping[str, float]] = {
    "0": 0.0,
    "-0": -0.0,
    "0.1": 0.1,
    "one third": 1 / 3,
    "whole": 3.0,
    "seventeen digits": 0.30000000000000004,
    "2^53": 2.0**53,
    "largest": 1.7976931348623157e308,
    "smallest": -1.7976931348623157e308,
    "least normal": 2.2250738585072014e-308,
    "least of all": 5e-324,
}

DECIMALS: Final[Mapping[str, Decimal]] = {
    "0": Decimal(0),
    "19.99": Decimal("19.99"),
    "-0.1": Decimal("-0.1"),
    "least": Decimal("0.000000001"),
    "largest": Decimal("99999999999999999999999999999.999999999"),
    "smallest": Decimal("-99999999999999999999999999999.999999999"),
    "more digits than a double": Decimal("12345678901234567.123456789"),
}

DATES: Final[Mapping[str, int]] = {
    "epoch": 0,
    "day before the epoch": -1,
    "leap day": days(date(2024, 2, 29)),
    "first Gregorian day": days(date(1582, 10, 15)),
    "day before it": days(date(1582, 10, 14)),
    "year 1": days(date(1, 1, 1)),
    "year 9999": days(date(9999, 12, 31)),
    "44 BC": days(date(1, 1, 1)) - 16_000,
    "year 12000": days(date(9999, 12, 31)) + 731_000,
}

TIMESTAMPS: Final[Mapping[str, int]] = {
    "epoch": 0,
    "microsecond before the epoch": -1,
    "microsecond": micros(datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)),
    "one microsecond": micros(datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    "whole second": micros(datetime(2024, 1, 1, 12, 0, 0, tzinfo=UTC)),
    "skipped hour in Berlin": micros(datetime(2024, 3, 31, 2, 30, 0, tzinfo=UTC)),
    "repeated hour in New York": micros(datetime(2024, 11, 3, 1, 30, 0, tzinfo=UTC)),
    "after 2038": micros(datetime(2100, 1, 1, tzinfo=UTC)),
    "year 1": micros(datetime(1, 1, 1, tzinfo=UTC)),
    "year 9999": micros(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    "44 BC": micros(datetime(1, 1, 1, tzinfo=UTC)) - 16_000 * 86_400_000_000,
}

TIMES: Final[Mapping[str, int]] = {
    "midnight": 0,
    "one microsecond": 1,
    "noon": micros_of_day(time(12)),
    "last microsecond": micros_of_day(time(23, 59, 59, 999_999)),
}

JSONS: Final[Mapping[str, str]] = {
    "empty object": "{}",
    "empty array": "[]",
    "string": '"text"',
    "string that looks like json": json.dumps('{"a": 1}'),
    "number": "0",
    "true": "true",
    "nested": '{"a": [1, {"b": [null, true, "x"]}]}',
    "integer beyond 2^53": '{"id": 9007199254740993}',
    "integer beyond 64 bits": '{"id": 123456789012345678901234567890}',
    "more digits than a double": '{"amount": 0.12345678901234567890}',
    "odd keys": json.dumps({"": 1, "a.b": 2, 'quo"te': 3, "$x": 4, "ключ": 5}),
    "keys by case": '{"a": 1, "A": 2}',
    "unicode": '{"city": "पुणे 👩\u200d⚕️"}',
    "escaped": r'{"text": "line\nbreak \u00e9 \ud83d\ude00 \\ \""}',
    "escaped NUL": r'{"text": "before\u0000after"}',
    "deep": "[" * 60 + "]" * 60,
    "long": json.dumps(list(range(20_000))),
}

VALUES: Final[Mapping[Kind, Mapping[str, Cell]]] = {
    Kind.STRING: STRINGS,
    Kind.BOOLEAN: {"true": True, "false": False},
    Kind.INTEGER: INTEGERS,
    Kind.BIG_INTEGER: BIG_INTEGERS,
    Kind.NUMBER: NUMBERS,
    Kind.DECIMAL: DECIMALS,
    Kind.DATE: DATES,
    Kind.TIMESTAMP_TZ: TIMESTAMPS,
    Kind.TIMESTAMP: TIMESTAMPS,
    Kind.TIME: TIMES,
    Kind.JSON: JSONS,
}


@dataclass(frozen=True, slots=True)
class ValueCase:
    """One value of one kind."""

    kind: Kind
    name: str
    cell: Cell

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def value_cases() -> Iterator[ValueCase]:
    """Yields every value by its kind."""
    for kind, cells in VALUES.items():
        for name, cell in cells.items():
            yield ValueCase(kind, name, cell)


SAMPLES: Final[Mapping[Kind, tuple[Cell, ...]]] = {
    kind: tuple(cell for name, cell in cells.items() if "BC" not in name and "NUL" not in name)[:5]
    for kind, cells in VALUES.items()
}
"""A few ordinary and odd values of each kind, for tables that have all kinds at once."""
