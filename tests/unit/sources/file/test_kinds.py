"""The cheap proofs of a kind promise no more than the value itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.types import Kind
from penstock.sources.file.kinds import SHORT_NUMBER_RULE, TEXT_RULES, WRITTEN_NUMBER_RULE

_TEXTS = st.one_of(
    st.floats().map(repr),
    st.floats().map(lambda value: f"{value:.17g}"),
    st.integers(-(10**41), 10**41).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.from_regex(r"[-+ ]?[0-9]{0,18}[.eE]?[-+]?[0-9]{0,4}[ Z]?", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[0-9 ]{1,2}-[0-9]{1,2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?"),
    st.sampled_from(["nan", "inf", "-inf", "infinity", "9" * 16, "9" * 500, "0" * 60, "1_0"]),
    st.text(max_size=70).filter(lambda text: "\0" not in text),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        opened.execute("set TimeZone = 'UTC'")
        yield opened


def passes(connection: duckdb.DuckDBPyConnection, rule: str, text: str) -> bool:
    query = f"select coalesce({rule.replace('{x}', 'x')}, false) from (select ?::varchar as x)"
    row = connection.execute(query, [text]).fetchone()
    assert row is not None
    return bool(row[0])


@settings(max_examples=300)
@given(text=_TEXTS)
def test_a_number_is_one_only_where_a_double_holds_it(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    for rule in (SHORT_NUMBER_RULE, WRITTEN_NUMBER_RULE, TEXT_RULES[Kind.NUMBER]):
        if passes(connection, rule, text):
            double = float(text)
            assert math.isfinite(double)
            assert Decimal(text) in (Decimal(repr(double)), Decimal(f"{double:.16e}"))


@settings(max_examples=300)
@given(text=_TEXTS)
def test_an_integer_is_one_only_in_its_one_spelling(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    is_integer = text.isascii() and text.removeprefix("-").isdigit() and str(int(text)) == text
    assert passes(connection, TEXT_RULES[Kind.INTEGER], text) == (
        is_integer and -(2**63) <= int(text) < 2**63
    )
    assert passes(connection, TEXT_RULES[Kind.BIG_INTEGER], text) == (
        is_integer and abs(int(text)) < 10**38
    )


@settings(max_examples=300)
@given(text=_TEXTS)
def test_a_moment_is_one_only_where_python_reads_it_too(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    for kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        if passes(connection, TEXT_RULES[kind], text):
            assert (datetime.fromisoformat(text).tzinfo is not None) == (kind is Kind.TIMESTAMP_TZ)
