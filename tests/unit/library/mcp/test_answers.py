from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from penstock.library.mcp.answers import mapped, plain, table


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (False, False),
        (0, 0),
        (2**53 - 1, 9007199254740991),
        (2**53, "9007199254740992"),
        (-(2**63), "-9223372036854775808"),
        (0.1, 0.1),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("007", "007"),
        (b"\x00\xff", "AP8="),
        (Decimal("1.500000000"), "1.500000000"),
        (
            dt.datetime(2024, 1, 1, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2024-01-01T03:00:00+02:00",
        ),
        (dt.date(2024, 1, 1), "2024-01-01"),
        ({"a": [2**60, None]}, {"a": ["1152921504606846976", None]}),
    ],
    ids=str,
)
def test_a_value_keeps_every_digit_as_json(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(json.dumps(found, allow_nan=False)) == expected


def test_a_long_value_is_cut_and_said_to_be() -> None:
    found = table(["a", "b"], [["x" * 5_000, 1]])
    assert found["rows"][0][0].endswith("… (5000 characters)")
    assert found["rows"][0][1] == 1
    assert found["values_cut"] == 1


def test_a_long_answer_says_that_rows_are_left_out() -> None:
    found = table(["a"], [["x" * 1_900] for _ in range(1_000)])
    assert 0 < len(found["rows"]) < 1_000
    assert "rows_left_out" in found


def test_a_short_answer_is_whole() -> None:
    assert table(["a"], [[1], [2]]) == {"columns": ["a"], "rows": [[1], [2]]}


def test_every_text_of_an_answer_is_changed() -> None:
    found = mapped({"key": ["key", {"x": "key"}, 1]}, lambda text: text.replace("key", "****"))
    assert found == {"****": ["****", {"x": "****"}, 1]}
