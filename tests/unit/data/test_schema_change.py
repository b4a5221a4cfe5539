"""What becomes of a table whose columns are not those of the plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.schema_change import (
    AddColumn,
    Conversion,
    ConvertValues,
    KeptColumn,
    PlannedColumn,
    StoredColumn,
    WidenColumn,
    conversion,
    schema_changes,
)
from penstock.data.types import Kind, kind_is_exact_text

kinds = st.sampled_from(Kind)


def changes(stored: Kind | None, planned: Kind) -> tuple[object, ...]:
    return schema_changes(
        [StoredColumn(name="c", kind=stored)], [PlannedColumn(name="c", kind=planned)]
    )


def test_a_new_column_is_added() -> None:
    assert schema_changes([], [PlannedColumn(name="c", kind=Kind.DATE)]) == (
        AddColumn(name="c", kind=Kind.DATE),
    )


def test_a_column_that_the_source_dropped_stays() -> None:
    assert schema_changes([StoredColumn(name="c", kind=Kind.DATE)], []) == (KeptColumn(name="c"),)


@given(kinds)
def test_an_equal_column_needs_nothing(kind: Kind) -> None:
    assert changes(kind, kind) == ()


def test_names_are_one_regardless_of_case() -> None:
    stored = [StoredColumn(name="ID", kind=Kind.INTEGER)]

    assert schema_changes(stored, [PlannedColumn(name="id", kind=Kind.INTEGER)]) == ()


@pytest.mark.parametrize(
    ("stored", "planned", "new", "needs_proof"),
    [
        (Kind.INTEGER, Kind.BIG_INTEGER, Kind.BIG_INTEGER, False),
        (Kind.INTEGER, Kind.DECIMAL, Kind.DECIMAL, False),
        (Kind.INTEGER, Kind.NUMBER, Kind.NUMBER, True),
        (Kind.BIG_INTEGER, Kind.NUMBER, Kind.STRING, False),
        (Kind.BOOLEAN, Kind.INTEGER, Kind.STRING, False),
        (Kind.DATE, Kind.TIMESTAMP_TZ, Kind.STRING, False),
        (Kind.TIMESTAMP_TZ, Kind.TIMESTAMP, Kind.STRING, False),
        (Kind.INTEGER, Kind.JSON, Kind.JSON, False),
    ],
)
def test_a_column_is_widened_to_what_holds_both(
    stored: Kind, planned: Kind, new: Kind, needs_proof: bool
) -> None:
    assert changes(stored, planned) == (
        WidenColumn(name="c", old=stored, new=new, needs_proof=needs_proof),
    )


@pytest.mark.parametrize(
    ("stored", "planned"),
    [
        (Kind.NUMBER, Kind.INTEGER),
        (Kind.NUMBER, Kind.DECIMAL),
        (Kind.BIG_INTEGER, Kind.INTEGER),
        (Kind.DECIMAL, Kind.NUMBER),
        (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ),
        (Kind.STRING, Kind.JSON),
        (Kind.JSON, Kind.STRING),
        (None, Kind.INTEGER),
    ],
)
def test_a_column_that_holds_the_planned_values_stays(stored: Kind | None, planned: Kind) -> None:
    assert changes(stored, planned) == (ConvertValues(name="c", stored=stored, planned=planned),)


@given(kinds, kinds)
def test_adapting_a_table_twice_changes_nothing_more(stored: Kind, planned: Kind) -> None:
    first = changes(stored, planned)
    after = next((c.new for c in first if isinstance(c, WidenColumn)), stored)

    again = changes(after, planned)

    assert not [c for c in again if isinstance(c, WidenColumn)]


@given(kinds, kinds)
def test_stored_values_are_widened_exactly_or_under_proof(stored: Kind, planned: Kind) -> None:
    for change in changes(stored, planned):
        if isinstance(change, WidenColumn) and not change.needs_proof:
            assert conversion(change.old, change.new) is Conversion.EXACT


@given(kinds, kinds)
def test_text_holds_every_value(planned: Kind, stored: Kind) -> None:
    if kind_is_exact_text(stored):
        assert conversion(planned, stored) in (Conversion.NONE, Conversion.EXACT)
