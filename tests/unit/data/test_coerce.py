"""One value, one column: what lands and what is recorded, trap by trap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from penstock.data import temporal
from penstock.data.coerce import (
    NOT_JSON,
    NOT_UNICODE,
    ROUNDED,
    TOO_BIG,
    WRONG_TYPE,
    Misfit,
    coerce,
)
from penstock.data.types import Kind

LONG = "12345678901234567890123456789.5"

CASES: list[tuple[Kind, str, Any, Misfit | None]] = [
    (Kind.INTEGER, "12", 12, None),
    (Kind.INTEGER, '"12"', 12, None),
    (Kind.INTEGER, '"007"', 7, None),
    (Kind.INTEGER, "1.0", 1, None),
    (Kind.INTEGER, "1.2e1", 12, None),
    (Kind.INTEGER, "-0", 0, None),
    (Kind.INTEGER, "9007199254740993", 9007199254740993, None),
    (Kind.INTEGER, "9223372036854775807", (1 << 63) - 1, None),
    (Kind.INTEGER, "-9223372036854775808", -(1 << 63), None),
    (Kind.INTEGER, "9223372036854775808", None, TOO_BIG),
    (Kind.INTEGER, "10000000000000000000000", None, TOO_BIG),
    (Kind.INTEGER, "1e1000000", None, TOO_BIG),
    (Kind.INTEGER, "1e99999999999999999999", None, TOO_BIG),
    (Kind.INTEGER, "1e-99999999999999999999", None, WRONG_TYPE),
    (Kind.INTEGER, "0e99999999999999999999", 0, None),
    (Kind.INTEGER, "1.7", None, WRONG_TYPE),
    (Kind.INTEGER, "true", None, WRONG_TYPE),
    (Kind.INTEGER, '"abc"', None, WRONG_TYPE),
    (Kind.INTEGER, '" 12"', None, WRONG_TYPE),
    (Kind.INTEGER, '""', None, WRONG_TYPE),
    (Kind.INTEGER, "{}", None, WRONG_TYPE),
    (Kind.INTEGER, "NaN", None, NOT_JSON),
    (Kind.INTEGER, "null", None, None),
    (Kind.BIG_INTEGER, "1" * 38, Decimal("1" * 38), None),
    (Kind.BIG_INTEGER, "1" * 39, None, TOO_BIG),
    (Kind.BIG_INTEGER, "1e37", Decimal("1" + "0" * 37), None),
    (Kind.BIG_INTEGER, "1.5", None, WRONG_TYPE),
    (Kind.NUMBER, "1.5", 1.5, None),
    (Kind.NUMBER, '"1.5"', 1.5, None),
    (Kind.NUMBER, "1.10", 1.1, None),
    (Kind.NUMBER, "1e5", 1e5, None),
    (Kind.NUMBER, "7.243628666754276", 7.243628666754276, None),
    (Kind.NUMBER, "9007199254740992", 9007199254740992.0, None),
    (Kind.NUMBER, "9007199254740993", 9007199254740992.0, ROUNDED),
    (Kind.NUMBER, "0.12345678901234567890", 0.12345678901234568, ROUNDED),
    (Kind.NUMBER, "12345678901234567890.123", 12345678901234567000.0, ROUNDED),
    (Kind.NUMBER, "1e-400", 0.0, ROUNDED),
    (Kind.NUMBER, "1e400", None, TOO_BIG),
    (Kind.NUMBER, "NaN", None, NOT_JSON),
    (Kind.NUMBER, "-Infinity", None, NOT_JSON),
    (Kind.NUMBER, '"NaN"', None, WRONG_TYPE),
    (Kind.NUMBER, "true", None, WRONG_TYPE),
    (Kind.DECIMAL, "0.123456789", Decimal("0.123456789"), None),
    (Kind.DECIMAL, "0.1234567891", Decimal("0.123456789"), ROUNDED),
    (Kind.DECIMAL, f'"{LONG}"', Decimal(LONG), None),
    (Kind.DECIMAL, "1e29", None, TOO_BIG),
    (Kind.DECIMAL, "99999999999999999999999999999.9999999999", None, TOO_BIG),
    (Kind.DECIMAL, "1e-50", Decimal(0), ROUNDED),
    (Kind.DECIMAL, "0", Decimal(0), None),
    (Kind.BOOLEAN, "true", True, None),
    (Kind.BOOLEAN, '"false"', False, None),
    (Kind.BOOLEAN, "1", None, WRONG_TYPE),
    (Kind.BOOLEAN, '"maybe"', None, WRONG_TYPE),
    (Kind.STRING, '"007"', "007", None),
    (Kind.STRING, '" x "', " x ", None),
    (Kind.STRING, '"\\u0000"', "\x00", None),
    (Kind.STRING, "1.10", "1.10", None),
    (Kind.STRING, "1e5", "1e5", None),
    (Kind.STRING, "true", "true", None),
    (Kind.STRING, '{"a" : [1.10, 2]}', '{"a":[1.10,2]}', None),
    (Kind.STRING, '"\\ud800x"', "\ufffdx", NOT_UNICODE),
    (Kind.STRING, '"\\ud83d\\ude00"', "😀", None),
    (Kind.STRING, "NaN", None, NOT_JSON),
    (Kind.JSON, '{"a" : 0.10000000000000000000001}', '{"a":0.10000000000000000000001}', None),
    (Kind.JSON, '{"a":1,"a":2}', '{"a":1,"a":2}', None),
    (Kind.JSON, '"a b"', '"a b"', None),
    (Kind.JSON, "1E400", "1E400", None),
    (Kind.JSON, '["\\udc00"]', '["\ufffd"]', NOT_UNICODE),
    (Kind.JSON, '[NaN,"NaN"]', '[null,"NaN"]', NOT_UNICODE),
    (Kind.JSON, "null", None, None),
    (Kind.DATE, '"2024-02-29"', 19782, None),
    (Kind.DATE, '"2024-02-29T00:00:00Z"', 19782, None),
    (Kind.DATE, '"2024-02-29T00:00:01Z"', None, WRONG_TYPE),
    (Kind.DATE, '"2024-02-29T00:00:00+02:00"', None, WRONG_TYPE),
    (Kind.DATE, '"2023-02-29"', None, WRONG_TYPE),
    (Kind.DATE, '"0001-01-01 BC"', -719528, None),
    (Kind.DATE, "20240229", None, WRONG_TYPE),
    (Kind.TIMESTAMP_TZ, '"1970-01-01T00:00:01Z"', 1_000_000, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-01 05:30:00+05:30"', 0, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-01T00:00:00-0800"', 28_800_000_000, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-01T00:00:00"', 0, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-02"', 86_400_000_000, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-01T00:00Z"', 0, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-01T00:00:00.1234567Z"', 123_456, ROUNDED),
    (Kind.TIMESTAMP_TZ, '"1969-12-31T23:59:59.9999999Z"', -1, ROUNDED),
    (Kind.TIMESTAMP_TZ, '"1970-01-01T00:00:00.123456000Z"', 123_456, None),
    (Kind.TIMESTAMP_TZ, '"1970-01-01 00:00:00 UTC"', 0, None),
    (Kind.TIMESTAMP_TZ, '"12024-01-01T00:00:00Z"', 317_273_587_200_000_000, None),
    (Kind.TIMESTAMP_TZ, '"0044-03-15T12:00:00Z BC"', -63_517_780_800_000_000, None),
    (Kind.TIMESTAMP_TZ, '"999999-01-01T00:00:00Z"', None, TOO_BIG),
    (Kind.TIMESTAMP_TZ, '"2024-02-30T00:00:00Z"', None, WRONG_TYPE),
    (Kind.TIMESTAMP_TZ, '"2024-01-01T24:00:00Z"', None, WRONG_TYPE),
    (Kind.TIMESTAMP_TZ, '"2016-12-31T23:59:60Z"', None, WRONG_TYPE),
    (Kind.TIMESTAMP_TZ, "1700000000", None, WRONG_TYPE),
    (Kind.TIMESTAMP, '"1970-01-01T02:00:00+02:00"', 0, None),
    (Kind.TIME, '"00:00:01.5"', 1_500_000, None),
    (Kind.TIME, '"10:30"', 37_800_000_000, None),
    (Kind.TIME, '"10:30:00Z"', 37_800_000_000, None),
    (Kind.TIME, '"10:30:00+02:00"', None, WRONG_TYPE),
    (Kind.TIME, '"25:00:00"', None, WRONG_TYPE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "value", "misfit"), CASES, ids=[f"{k}-{t[:40]}" for k, t, _, _ in CASES]
)
def test_value_lands_exactly_or_is_recorded(
    kind: Kind, text: str, value: Any, misfit: Misfit | None
) -> None:
    actual, recorded = coerce(text.encode(), kind)
    assert (value, misfit) == (actual, recorded)
    assert type(value) is type(actual)


def test_invalid_utf8_is_repaired_and_recorded() -> None:
    assert coerce(b'"a\xffb"', Kind.STRING) == ("a\ufffdb", NOT_UNICODE)


@pytest.mark.parametrize("days", [-1_000_000, -719_529, -719_528, -1, 0, 19_782, 2_932_897])
def test_dates_survive_the_way_to_text_and_back(days: int) -> None:
    assert temporal.date(temporal.iso_date(days)) == days


@pytest.mark.parametrize("micros", [-(1 << 62), -62_135_596_800_000_001, -1, 0, 1, 1 << 62])
def test_instants_survive_the_way_to_text_and_back(micros: int) -> None:
    assert temporal.instant(temporal.iso_instant(micros, suffix="Z")) == (micros, False)
