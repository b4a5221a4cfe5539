from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import DataError
from tests.unit.sources.file.reading_files import items_of, kinds_of, rows_of, stream_of, written

NOW = datetime(2024, 2, 29, 10, 0, 0, 123_456, tzinfo=UTC)


def parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("array", "kind", "value"),
    [
        (pa.array([2**63 - 1]), "integer", 2**63 - 1),
        (pa.array([2**64 - 1], pa.uint64()), "big_integer", 2**64 - 1),
        (pa.array([1], pa.int8()), "integer", 1),
        (pa.array([0.1]), "number", 0.1),
        (pa.array([True]), "boolean", True),
        (pa.array(["007"]), "string", "007"),
        (pa.array(["007"], pa.large_string()), "string", "007"),
        (pa.array(["a"]).dictionary_encode(), "string", "a"),
        (pa.array([date(2024, 2, 29)]), "date", date(2024, 2, 29)),
        (pa.array([NOW], pa.timestamp("us", "UTC")), "timestamp_tz", NOW),
        (pa.array([NOW], pa.timestamp("us", "Asia/Kolkata")), "timestamp_tz", NOW),
        (pa.array([NOW.replace(tzinfo=None)]), "timestamp", NOW.replace(tzinfo=None)),
        (pa.array([time(10, 0, 1)]), "time", time(10, 0, 1)),
        (pa.array([Decimal("12.50")]), "decimal", Decimal("12.50")),
        (pa.array([Decimal(10) ** 30], pa.decimal128(38, 0)), "big_integer", Decimal(10) ** 30),
        (pa.array([Decimal("0.1234567890123")]), "string", "0.1234567890123"),
        (pa.array([Decimal("1e40")], pa.decimal256(50, 2)), "string", "1" + "0" * 40 + ".00"),
        (pa.array([b"\x00\xff"]), "string", "AP8="),
        (pa.array([timedelta(seconds=1)]), "string", "1000000"),
        (pa.nulls(1), "string", None),
    ],
)
def test_every_type_arrives_exact(tmp_path: Path, array: pa.Array, kind: str, value: Any) -> None:
    stream = stream_of(parquet(tmp_path / "a.parquet", x=array))
    assert kinds_of(stream) == {"x": kind}
    assert rows_of(stream) == [{"x": value}]


def test_nanoseconds_are_handed_on_as_they_are(tmp_path: Path) -> None:
    array = pa.array([1_709_200_800_123_456_789], pa.timestamp("ns", "UTC"))
    stream = stream_of(parquet(tmp_path / "a.parquet", x=array))
    batch = items_of(stream)[0]
    assert kinds_of(stream) == {"x": "timestamp_tz"}
    assert batch.column(0).cast(pa.int64()).to_pylist() == [1_709_200_800_123_456_789]


def test_nested_values_become_exact_json_text(tmp_path: Path) -> None:
    array = pa.array(
        [{"a": [1, None], "d": Decimal("1.10"), "t": 'é"', "n": 2**63 - 1, "f": float("nan")}, None]
    )
    stream = stream_of(parquet(tmp_path / "a.parquet", x=array))
    assert kinds_of(stream) == {"x": "json"}
    first, second = rows_of(stream)
    assert json.loads(first["x"], parse_float=Decimal) == {
        "a": [1, None],
        "d": Decimal("1.10"),
        "t": 'é"',
        "n": 2**63 - 1,
        "f": None,
    }
    assert second == {"x": None}


def test_rows_keep_their_order_over_row_groups(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array(range(200_000))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7_000)
    rows = rows_of(stream_of(tmp_path / "a.parquet"))
    assert [row["x"] for row in rows] == list(range(200_000))


def test_names_that_differ_in_case_only_stay_apart(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", a=pa.array([1]), A=pa.array([2]))
    assert rows_of(stream_of(path)) == [{"a": 1, "A": 2}]


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    stream = stream_of(parquet(tmp_path / "a.parquet", x=pa.array([], pa.int64())))
    assert kinds_of(stream) == {"x": "integer"}
    assert rows_of(stream) == []


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a.parquet", x=pa.array(range(1_000))).read_bytes()
    with pytest.raises(DataError, match="not a whole Parquet file"):
        rows_of(stream_of(written(tmp_path / "b.parquet", whole[: len(whole) // 2])))
