"""Native rows as RECORD lines: every value exact, every line one line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.types import JSON_TYPE
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_line
from penstock.sdk.record_lines import BatchLines, json_bytes, lines_of_rows

STREAM = StreamDescriptor('us"ers', "app")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**53 + 1, "9007199254740993"),
        (2**64, "18446744073709551616"),
        (-(2**70), "-1180591620717411303424"),
        ([{"n": 10**30}], '[{"n":1000000000000000000000000000000}]'),
        (Decimal("0.10"), "0.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("NaN"), "null"),
        ([Decimal("1.5"), 10**40], f"[1.5,{10**40}]"),
        (float("nan"), "null"),
        ([10**30, float("inf")], f"[{10**30},null]"),
        (True, "true"),
        ("007", '"007"'),
        ('a\u0000\n"é', '"a\\u0000\\n\\"é"'),
        ("\ud800", '"?"'),
        (datetime(2024, 2, 29, 1, 2, 3, 45, tzinfo=UTC), '"2024-02-29T01:02:03.000045Z"'),
        (datetime(2024, 2, 29, 1, 2, 3), '"2024-02-29T01:02:03"'),  # noqa: DTZ001
        (date(2024, 2, 29), '"2024-02-29"'),
        (time(1, 2, 3), '"01:02:03"'),
        (b"\x00\xff", '"AP8="'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ({1: "a"}, '{"1":"a"}'),
    ],
)
def test_a_value_keeps_every_digit(value: Any, text: str) -> None:
    assert json_bytes(value).decode() == text


def test_a_value_without_a_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        json_bytes({"a": object()})


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("abc"), json_value), max_size=4))
def test_each_row_is_one_line_that_gives_it_back(rows: list[dict[str, Any]]) -> None:
    lines = lines_of_rows(STREAM, rows, emitted_at=17).splitlines()
    records = [decode_line(line).record for line in lines]
    assert [record and record.descriptor for record in records] == [STREAM] * len(rows)
    assert [json.loads(bytes(record.data)) for record in records if record] == rows
    assert {record.emitted_at for record in records if record} <= {17}


def test_columns_that_were_not_chosen_are_left_out() -> None:
    line = lines_of_rows(STREAM, [{"a": 1, "b": 2}], emitted_at=1, fields={"b", "c"})
    assert json.loads(line)["record"]["data"] == {"b": 2}


def test_an_arrow_batch_is_written_exactly() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "big": pa.array([2**63 - 1, None]),
            "exact": pa.array([Decimal("0.100000000"), None], pa.decimal128(38, 9)),
            "json": pa.ExtensionArray.from_storage(
                JSON_TYPE, pa.array(['{"a":\n [1, 2.50]}', None])
            ),
            "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("us", tz="UTC")),
        }
    )
    with BatchLines() as encoder:
        first, second = b"".join(encoder.lines(STREAM, batch, emitted_at=5)).splitlines()
    assert b'"big":9223372036854775807' in first
    assert b'"exact":0.1' in first
    assert b"2.50" in first
    assert b'"at":"2024-01-01T00:00:00' in first
    assert json.loads(first)["record"]["data"]["json"] == {"a": [1, 2.5]}
    assert json.loads(second)["record"]["data"] == dict.fromkeys(batch.schema.names)
