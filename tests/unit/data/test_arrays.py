"""Arrow arrays hold what Python gave them, and pandas stays out of it."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.arrays import (
    Ascending,
    divided,
    flags,
    numbers_of,
    of_texts,
    of_values,
    rows_where,
    whole_numbers,
)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_flags_survive_the_way_to_arrow(count: int) -> None:
    wanted = [place * place % 7 < 3 for place in range(count)]
    array = flags(wanted)
    array.validate(full=True)
    assert array.to_pylist() == wanted


@pytest.mark.parametrize("data_type", [pa.int64(), pa.timestamp("us", tz="UTC"), pa.time64("us")])
def test_numbers_survive_the_way_to_arrow_and_back(data_type: pa.DataType) -> None:
    numbers = range(0, 20_000, 2_000)
    array = whole_numbers(numbers, data_type)
    assert array.type == data_type
    assert array.view(pa.int64()).to_pylist() == list(numbers)
    assert numbers_of(array.slice(3, 4)).tolist() == list(numbers[3:7])


@pytest.mark.parametrize("data_type", [pa.int32(), pa.int64()])
def test_arrays_without_memory_are_empty(data_type: pa.DataType) -> None:
    assert numbers_of(pa.array([], data_type)).tolist() == []


def test_the_places_of_true_values_are_found_and_null_is_not_true() -> None:
    assert rows_where(pa.array([True, None, False, True])).to_pylist() == [0, 3]


def test_a_growing_array_hands_out_the_same_numbers_every_time() -> None:
    numbers = Ascending(pa.int32())
    assert [numbers.first(n).to_pylist() for n in (2, 0, 5, 3)] == [
        [0, 1],
        [],
        [0, 1, 2, 3, 4],
        [0, 1, 2],
    ]


@given(st.lists(st.integers(-(1 << 62), 1 << 62) | st.none()), st.integers(1, 1_000_000))
def test_numbers_are_divided_towards_the_past(numbers: list[int | None], divisor: int) -> None:
    expected = [None if number is None else number // divisor for number in numbers]
    assert divided(pa.array(numbers, pa.int64()), divisor).to_pylist() == expected


def test_texts_are_taken_byte_by_byte() -> None:
    array = of_texts([b"a", b"", "é".encode()])
    assert array is not None
    array.validate(full=True)
    assert array.to_pylist() == ["a", "", "é"]


_READ = """
import sys
from decimal import Decimal
from typing import Any
from penstock.data.batch import BatchBuilder
from penstock.data.types import Column, Kind
columns = tuple(Column(name=kind, kind=kind) for kind in Kind)
with BatchBuilder(columns, is_raw=False, threads=1) as builder:
    rows = [{kind: str(n) for kind in Kind} for n in range(200)] + [{}] * 200
    builder.from_arrow(builder.from_rows(rows, extracted_at_ms=1).rows, extracted_at_ms=1)
sys.exit("pandas" in sys.modules)
"""


def test_reading_rows_does_not_load_pandas() -> None:
    assert subprocess.run([sys.executable, "-c", _READ], check=False).returncode == 0


@pytest.mark.parametrize(
    ("data_type", "values"),
    [
        (pa.int64(), [1, None, -(1 << 63), (1 << 63) - 1]),
        (pa.int32(), [None, 7]),
        (pa.float64(), [None, 0.1, -0.0, float("inf")]),
        (pa.bool_(), [True, None, False] * 5),
        (pa.string(), ["é", None, "", "\x00"]),
        (pa.decimal128(38, 9), [None, Decimal("1.000000001")]),
        (pa.string(), []),
        (pa.string(), [None, None]),
    ],
)
def test_values_are_those_that_pyarrow_takes(data_type: pa.DataType, values: list[Any]) -> None:
    array = of_values(values, data_type)
    array.validate(full=True)
    assert repr(array.to_pylist()) == repr(values)
    assert array.type == data_type
