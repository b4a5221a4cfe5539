"""Values of the binary log read as a SELECT writes them; bytes from MySQL's own test of formats."""

from __future__ import annotations

import pytest

from penstock.sources.mysql.logged_values import (
    BIT,
    DATE,
    DATETIME2,
    DECIMAL,
    ENUM,
    LONGLONG,
    SET,
    STRING,
    TIME2,
    TIMESTAMP2,
    TINY,
    VARCHAR,
    YEAR,
    LoggedType,
    reader_of,
)

CASES = {
    "smallest tinyint": (LoggedType(code=TINY, meta=0), "80", "-128"),
    "largest unsigned tinyint": (LoggedType(code=TINY, meta=0, is_unsigned=True), "ff", "255"),
    "largest unsigned bigint": (
        LoggedType(code=LONGLONG, meta=0, is_unsigned=True),
        "ff" * 8,
        "18446744073709551615",
    ),
    "decimal of 14 and 4 digits": (
        LoggedType(code=DECIMAL, meta=14 << 8 | 4),
        "810dfb38d204d2",
        "1234567890.1234",
    ),
    "negative decimal": (
        LoggedType(code=DECIMAL, meta=14 << 8 | 4),
        "7ef204c72dfb2d",
        "-1234567890.1234",
    ),
    "zero date": (LoggedType(code=DATE, meta=0), "000000", "0000-00-00"),
    "year zero": (LoggedType(code=YEAR, meta=0), "00", "0"),
    "negative time with a fraction": (
        LoggedType(code=TIME2, meta=2),
        "7ffffece",
        "-00:00:01.50",
    ),
    "time of the largest hour": (LoggedType(code=TIME2, meta=0), "b46efb", "838:59:59"),
    "zero timestamp": (LoggedType(code=TIMESTAMP2, meta=0), "00000000", "0000-00-00 00:00:00"),
    "timestamp with three places": (
        LoggedType(code=TIMESTAMP2, meta=3),
        "0000000104d2",
        "1970-01-01 00:00:01.123",
    ),
    "datetime with a month of zero": (
        LoggedType(code=DATETIME2, meta=0),
        "99b2140000",
        "2024-00-10 00:00:00",
    ),
    "empty enum": (LoggedType(code=ENUM, meta=1, members=("a", "b")), "00", ""),
    "empty set": (LoggedType(code=SET, meta=1, members=("a", "b")), "00", ""),
    "set of two": (LoggedType(code=SET, meta=1, members=("a", "b", "c")), "05", "a,c"),
    "binary is as long as its column": (
        LoggedType(code=STRING, meta=4),
        "026162",
        b"ab\0\0",
    ),
    "bit of twelve": (LoggedType(code=BIT, meta=1 << 8 | 4), "0fff", b"\x0f\xff"),
    "text of latin1": (LoggedType(code=VARCHAR, meta=9, encoding="cp1252"), "02e980", "é€"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_value_is_what_a_select_writes(case: tuple[LoggedType, str, object]) -> None:
    logged, digits, expected = case
    content = bytes.fromhex(digits)
    value, end = reader_of(logged, "t.c")(content + b"\xaa", 0)
    assert (value, end) == (expected, len(content))
