"""What a state says of a sheet's rows comes back as it was, and a change is seen as one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.sources.smartsheet.known import KnownRows, digest_of

WHOLE = st.integers(0, 2**64 - 1)


@given(
    rows=st.dictionaries(WHOLE, st.tuples(WHOLE, st.integers(1, 2**60)), max_size=30),
    version=st.none() | st.integers(0, 2**40),
)
def test_rows_come_back_from_json(rows: dict[int, tuple[int, int]], version: int | None) -> None:
    known = KnownRows(rows=rows, version=version, compared_at=datetime(2024, 5, 1, tzinfo=UTC))
    assert KnownRows.of(json.loads(json.dumps(known.state)), "Visits") == known


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"rows": {"not": "yours"}, "sheets": []},
        {"rows": "AAAA", "sheets": []},
        {"rows": "%", "sheets": []},
        {"rows": "A" * 27 + "=", "sheets": ["1"], "version": "new"},
    ],
)
def test_state_of_another_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="not one that the Smartsheet source wrote"):
        KnownRows.of(state, "Visits")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 0}, {"a": None}),
        ({"a": False}, {"a": None}),
        ({"a": 0}, {"a": False}),
        ({"a": ""}, {"a": None}),
        ({"a": "1"}, {"a": 1}),
        ({"a": Decimal("1.50")}, {"a": Decimal("1.5")}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"a": 9007199254740993}, {"a": 9007199254740992}),
    ],
)
def test_records_that_differ_have_other_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest_of(one, None) != digest_of(other, None)


def test_empty_column_more_and_columns_not_wanted_are_no_change() -> None:
    assert digest_of({"a": 1}, None) == digest_of({"b": None, "a": 1}, None)
    assert digest_of({"a": 1, "b": 1}, ("a",)) == digest_of({"a": 1, "b": 2}, ("a",))
