"""Native rows and Arrow batches of any type land as the same values as their JSON would."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.batch import BatchBuilder, BuiltBatch
from penstock.data.types import Column, Kind
from penstock.errors import DataError
from tests.unit.data.records import columns, plain

UTC = dt.UTC
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))
LONG = Decimal("12345678901234567890.123456789")


def built(rows: list[dict[str, Any]], *, is_raw: bool = False, **kinds: Kind) -> BuiltBatch:
    with BatchBuilder(columns(**kinds), is_raw=is_raw, threads=1) as builder:
        return builder.from_rows(rows, extracted_at_ms=5)


ROWS: list[tuple[Kind, Any, Any]] = [
    (Kind.INTEGER, 9007199254740993, 9007199254740993),
    (Kind.BIG_INTEGER, 10**37, Decimal(10**37)),
    (Kind.BIG_INTEGER, 1 << 64, Decimal(1 << 64)),
    (Kind.DECIMAL, Decimal("1.10"), Decimal("1.100000000")),
    (Kind.DECIMAL, LONG, LONG),
    (Kind.STRING, Decimal("1.10"), "1.10"),
    (Kind.STRING, "007", "007"),
    (Kind.STRING, b"\x00\xff", "AP8="),
    (Kind.STRING, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Kind.STRING, 1.5, "1.5"),
    (Kind.STRING, dt.timedelta(days=-1, microseconds=1), "-PT86399.999999S"),
    (Kind.TIMESTAMP_TZ, dt.datetime(1970, 1, 1, 5, 30, tzinfo=INDIA), 0),
    (Kind.TIMESTAMP_TZ, dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1),
    (Kind.TIMESTAMP, dt.datetime(1970, 1, 1, 0, 0, 1), 1_000_000),  # noqa: DTZ001
    (Kind.DATE, dt.date(1970, 1, 2), 1),
    (Kind.TIME, dt.time(0, 0, 1, 5), 1_000_005),
    (Kind.BOOLEAN, False, False),
    (Kind.JSON, {"a": [1, {"b": LONG}]}, f'{{"a":[1,{{"b":{LONG}}}]}}'),
    (Kind.JSON, {"big": 1 << 70, "t": (1, 2)}, '{"big":1180591620717411303424,"t":[1,2]}'),
    (Kind.JSON, {1: "x"}, '{"1":"x"}'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given_value", "landed"), ROWS)
def test_python_value_lands_exactly(kind: Kind, given_value: Any, landed: Any) -> None:
    batch = built([{"id": 0, "v": None}, {"id": 1, "v": given_value}], id=Kind.INTEGER, v=kind)
    assert plain(batch.rows) == [
        {"id": 0, "v": None, "_airbyte_changes": None},
        {"id": 1, "v": landed, "_airbyte_changes": None},
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), "\ud800", "no"])
def test_python_value_that_is_no_number_is_nulled_and_recorded(value: Any) -> None:
    row = plain(built([{"v": value}], v=Kind.NUMBER).rows)[0]
    assert row["v"] is None
    assert json.loads(row["_airbyte_changes"])[0]["change"] == "NULLED"


def test_nan_inside_a_document_is_recorded() -> None:
    row = plain(built([{"v": {"x": [float("nan")]}}], v=Kind.JSON).rows)[0]
    assert row["v"] == '{"x":[null]}'
    assert json.loads(row["_airbyte_changes"])[0]["field"] == "v"


def test_lone_surrogate_in_a_python_string_is_repaired_and_recorded() -> None:
    row = plain(built([{"v": "a\ud800"}], v=Kind.STRING).rows)[0]
    assert row["v"] == "a\ufffd"
    assert json.loads(row["_airbyte_changes"])[0]["change"] == "TRUNCATED"


def test_object_without_json_form_is_refused() -> None:
    with pytest.raises(DataError, match="object"):
        built([{"v": object()}], v=Kind.STRING)


def test_undeclared_and_missing_properties() -> None:
    with BatchBuilder(columns(a=Kind.INTEGER), is_raw=False, threads=1) as builder:
        first = builder.from_rows([{"a": 1, "x": 2}, {"y": 3}], extracted_at_ms=0)
        again = builder.from_rows([{"x": 2}], extracted_at_ms=0)
    assert sorted(first.undeclared) == ["x", "y"]
    assert again.undeclared == ()
    assert [row["a"] for row in plain(first.rows)] == [1, None]


def test_no_rows_make_an_empty_batch_of_the_same_schema() -> None:
    kinds = {kind.value: kind for kind in Kind}
    empty, full = built([], **kinds), built([{}], **kinds)
    assert (empty.rows.num_rows, empty.rows.schema) == (0, full.rows.schema)


def test_raw_rows_hold_the_whole_record() -> None:
    row = plain(built([{"a": Decimal("1.10"), "b": None}], is_raw=True).rows)[0]
    assert row == {"_airbyte_data": '{"a":1.10,"b":null}', "_airbyte_changes": None}


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(),
        st.decimals(allow_nan=False, allow_infinity=False, places=3), st.text(max_size=5),
        st.datetimes(timezones=st.sampled_from([None, UTC])), st.dates(), st.binary(max_size=4),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)  # fmt: skip


@settings(max_examples=25)
@given(
    st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), min_size=1, max_size=5),
    st.sampled_from(list(Kind)),
)
def test_a_row_lands_the_same_alone_and_in_company(rows: list[dict[str, Any]], kind: Kind) -> None:
    shape = {"a": kind, "b": Kind.STRING}
    alone = [row for one in rows for row in plain(built([one], **shape).rows)]
    assert repr(plain(built(rows, **shape).rows)) == repr(alone)


ARROW: list[tuple[Kind, pa.Array, list[Any], bool]] = [
    (Kind.INTEGER, pa.array([1, None], pa.int8()), [1, None], False),
    (Kind.INTEGER, pa.array([1 << 63], pa.uint64()), [None], True),
    (Kind.BIG_INTEGER, pa.array([1 << 63], pa.uint64()), [Decimal(1 << 63)], False),
    (Kind.NUMBER, pa.array([1.5], pa.float32()), [1.5], False),
    (Kind.NUMBER, pa.array([float("nan"), 1.0]), [None, 1.0], True),
    (Kind.NUMBER, pa.array([9007199254740993]), [9007199254740992.0], True),
    (Kind.DECIMAL, pa.array([LONG], pa.decimal128(38, 9)), [LONG], False),
    (Kind.DECIMAL, pa.array([Decimal("1.25")], pa.decimal128(5, 2)), [Decimal("1.25")], False),
    (Kind.DECIMAL, pa.array([Decimal("1e-10")], pa.decimal128(12, 10)), [Decimal(0)], True),
    (Kind.STRING, pa.array(["x"], pa.large_string()), ["x"], False),
    (Kind.STRING, pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"], False),
    (Kind.STRING, pa.array([b"\xff"]), ["/w=="], False),
    (Kind.STRING, pa.array([7]), ["7"], False),
    (Kind.TIMESTAMP_TZ, pa.array([1], pa.timestamp("s", tz="Europe/Berlin")), [1_000_000], False),
    (Kind.TIMESTAMP_TZ, pa.array([-1], pa.timestamp("ns", tz="UTC")), [-1], True),
    (Kind.TIMESTAMP_TZ, pa.array([1000], pa.timestamp("ns")), [1], False),
    (Kind.TIMESTAMP, pa.array([None, 5000], pa.timestamp("ns")), [None, 5], False),
    (Kind.DATE, pa.array([86_400_000], pa.date64()), [1], False),
    (Kind.TIME, pa.array([1], pa.time32("ms")), [1000], False),
    (Kind.JSON, pa.array([{"a": [1, None]}]), ['{"a":[1,null]}'], False),
    (Kind.JSON, pa.array(["x"]), ['"x"'], False),
    (Kind.BOOLEAN, pa.nulls(2), [None, None], False),
    (Kind.BOOLEAN, pa.array([1]), [None], True),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "array", "values", "is_changed"), ARROW)
def test_arrow_column_lands_exactly_or_is_recorded(
    kind: Kind, array: pa.Array, values: list[Any], is_changed: bool
) -> None:
    with BatchBuilder((Column(name="v", kind=kind),), is_raw=False, threads=1) as builder:
        source = pa.record_batch([array, array], names=["v", "other"])
        result = builder.from_arrow(source, extracted_at_ms=0)
    rows = plain(result.rows)
    assert [row["v"] for row in rows] == values
    assert any(row["_airbyte_changes"] for row in rows) is is_changed
    assert result.undeclared == ("other",)
