"""Which rows stay, compared with the rule spelled out in Python."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.sdk.latest_rows import Numbers, latest_rows

Row = tuple[str | None, int | None, int | None]
_TYPES = [pa.string(), pa.int64(), pa.int64()]
_SCHEMA = pa.schema(list(zip(("a", "b", "at"), _TYPES, strict=True)))
_rows = st.lists(
    st.tuples(
        st.sampled_from([None, "", "x", "X", "x\0", "é", "e\u0301"]),
        st.sampled_from([None, 0, 2**53, 2**53 + 1]),
        st.one_of(st.none(), st.integers(-2, 2)),
    ),
    max_size=25,
)


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    arrays = [pa.array(c, t) for c, t in zip(columns, _TYPES, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def rank(row: Row) -> tuple[bool, int]:
    return (row[2] is not None, row[2] or 0)


def latest(rows: Sequence[Row]) -> dict[tuple[str | None, int | None], int]:
    """Returns the number of the row that stays of each key."""
    best: dict[tuple[str | None, int | None], int] = {}
    for number, row in enumerate(rows):
        key = row[:2]
        if key not in best or rank(row) >= rank(rows[best[key]]):
            best[key] = number
    return best


def numbers(found: Numbers, count: int) -> list[int]:
    return list(found.among(0, count).to_pylist())


@settings(max_examples=60)
@given(arriving=_rows, cut=st.integers(0, 25), there=_rows, there_cut=st.integers(0, 25))
def test_one_row_of_a_key_stays_however_they_are_cut(
    arriving: list[Row], cut: int, there: list[Row], there_cut: int
) -> None:
    before = [there[number] for number in sorted(latest(there).values())]
    with (
        tempfile.TemporaryDirectory() as folder,
        latest_rows(_TYPES, Path(folder) / "spool") as question,
    ):
        for part in (arriving[:cut], arriving[cut:]):
            question.show_arriving(batch(part))
        question.begin_there()
        for part in (before[:there_cut], before[there_cut:]):
            question.show_there(batch(part))
        stay = numbers(question.arriving_that_stay(), len(arriving))
        go = numbers(question.there_that_go(), len(before))
    result = [row for number, row in enumerate(before) if number not in go]
    result += [arriving[number] for number in stay]
    everything = before + arriving
    expected = {key: everything[number] for key, number in latest(everything).items()}
    assert len(result) == len(expected)
    assert {row[:2]: row for row in result} == expected


def test_numbers_are_told_from_any_row_on() -> None:
    some = Numbers(pa.array([2, 3, 7], pa.int64()))
    assert len(some) == 3
    assert some.among(0, 3).to_pylist() == [2]
    assert some.among(3, 5).to_pylist() == [0, 4]
    assert some.among(8, 100).to_pylist() == []
    assert Numbers(pa.array([], pa.int64())).among(0, 5).to_pylist() == []
