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
    UNSENT,
    VARCHAR,
    YEAR,
    LoggedType,
    passer_of,
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
    "last timestamp of 32 bits": (
        LoggedType(code=TIMESTAMP2, meta=0),
        "ffffffff",
        "2106-02-07 06:28:15",
    ),
    "leap day's last second": (
        LoggedType(code=TIMESTAMP2, meta=6),
        "65e11a7f0f423f",
        "2024-02-29 23:59:59.999999",
    ),
    "decimal without digits before the point": (
        LoggedType(code=DECIMAL, meta=4 << 8 | 4),
        "8001",
        "0.0001",
    ),
    "decimal without a fraction": (LoggedType(code=DECIMAL, meta=10 << 8), "8000000007", "7"),
    "text of a blob": (
        LoggedType(code=252, meta=2, encoding="utf-8"),
        "030061c3a9",
        "aé",
    ),
    "long varchar": (LoggedType(code=VARCHAR, meta=300, encoding="utf-8"), "0200c3a9", "é"),
    "double": (LoggedType(code=5, meta=8), "000000000000f03f", "1.0"),
    "geometry is passed over": (LoggedType(code=255, meta=4), "02000000ffff", UNSENT),
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
    read = reader_of(logged, "t.c")
    assert read(content + b"\xaa", 0) == (expected, len(content))
    assert passer_of(logged, read)(content + b"\xaa", 0) == len(content)
