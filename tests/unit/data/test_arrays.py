"""Numpy and Arrow share their memory, and pandas stays out of it."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.data.arrays import flags, flags_of, numbers_of, of_values, whole_numbers


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
@pytest.mark.parametrize("start", [0, 3, 8])
def test_flags_survive_the_way_to_arrow_and_back(count: int, start: int) -> None:
    given = np.random.default_rng(count).random(count) < 0.5
    array = flags(given)
    assert array.to_pylist() == given.tolist()
    assert flags_of(array.slice(start)).tolist() == given[start:].tolist()


@pytest.mark.parametrize("data_type", [pa.int64(), pa.timestamp("us", tz="UTC"), pa.time64("us")])
def test_numbers_survive_the_way_to_arrow_and_back(data_type: pa.DataType) -> None:
    given = np.arange(20, dtype=np.int64) * 1_000
    array = whole_numbers(given[::2], data_type)
    assert array.type == data_type
    assert array.view(pa.int64()).to_pylist() == given[::2].tolist()
    assert numbers_of(array.slice(3, 4)).tolist() == given[6:14:2].tolist()


def test_arrays_without_memory_are_empty() -> None:
    assert flags_of(pa.array([], pa.bool_())).tolist() == []
    assert numbers_of(pa.array([], pa.int32())).tolist() == []


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
