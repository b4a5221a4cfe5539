from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.types import Kind, kind_of_arrow
from penstock.testing.cases.values import ValueCase, value_cases
from penstock.testing.cells import (
    Cell,
    Found,
    array_of,
    cell_of_text,
    cells_of,
    is_same,
    json_text_of,
    text_of,
)
from penstock.testing.expect import rows_covered, rows_equal

EXACT = {
    Kind.STRING: st.text(st.characters(exclude_categories=["Cs"])),
    Kind.BOOLEAN: st.booleans(),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.BIG_INTEGER: st.integers(-(10**38) + 1, 10**38 - 1),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.DATE: st.integers(-719_162, 2_932_896),
    Kind.TIMESTAMP_TZ: st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    Kind.TIME: st.integers(0, 86_399_999_999),
}


@pytest.mark.parametrize("case", list(value_cases()), ids=str)
def test_a_value_survives_its_arrow_array(case: ValueCase) -> None:
    array = array_of(case.kind, [case.cell, None])
    assert kind_of_arrow(array.type) is case.kind
    assert cells_of(array) == [case.cell, None]
    assert cells_of(pa.chunked_array([array[:1], array[1:]])) == [case.cell, None]


@given(st.sampled_from(sorted(EXACT)).flatmap(lambda kind: st.tuples(st.just(kind), EXACT[kind])))
def test_a_value_survives_its_text(drawn: tuple[Kind, Cell]) -> None:
    kind, cell = drawn
    text = text_of(kind, cell)
    assert text is not None
    assert cell_of_text(kind, text) == cell
    assert is_same(kind, cell, Found(Kind.STRING, text))
    assert is_same(kind, cell, Found(Kind.JSON, json_text_of(kind, cell)))


@pytest.mark.parametrize(
    ("kind", "expected", "found"),
    [
        (Kind.STRING, "a", Found(Kind.STRING, "A")),
        (Kind.STRING, "", Found(Kind.STRING, None)),
        (Kind.STRING, "e\u0301", Found(Kind.STRING, "\u00e9")),
        (Kind.STRING, "007", Found(Kind.INTEGER, 7)),
        (Kind.INTEGER, 2**53 + 1, Found(Kind.NUMBER, float(2**53))),
        (Kind.INTEGER, 1, Found(Kind.BOOLEAN, True)),
        (Kind.NUMBER, 0.1, Found(Kind.DECIMAL, Decimal("0.1"))),
        (Kind.NUMBER, -0.0, Found(Kind.NUMBER, 0.0)),
        (Kind.DECIMAL, Decimal("0.1"), Found(Kind.NUMBER, 0.1)),
        (Kind.TIMESTAMP_TZ, 1, Found(Kind.TIMESTAMP_TZ, 0)),
        (Kind.DATE, 0, Found(Kind.TIMESTAMP, 0)),
        (Kind.JSON, '{"a": 9007199254740993}', Found(Kind.JSON, '{"a": 9007199254740992}')),
        (Kind.JSON, '{"a": "1"}', Found(Kind.JSON, '{"a": 1}')),
        (Kind.JSON, "[]", Found(Kind.JSON, None)),
    ],
)
def test_a_value_that_is_nearly_right_is_wrong(kind: Kind, expected: Cell, found: Found) -> None:
    assert not is_same(kind, expected, found)


def _rows(*ids: int) -> list[dict[str, Found]]:
    return [{"id": Found(Kind.INTEGER, number)} for number in ids]


KINDS = {"id": Kind.INTEGER}


@pytest.mark.parametrize("found", [_rows(), _rows(1), _rows(1, 2, 2), _rows(1, 3), _rows(1, 2, 3)])
def test_tables_that_differ_are_told_apart(found: list[dict[str, Found]]) -> None:
    with pytest.raises(AssertionError, match="expected 2 rows"):
        rows_equal([{"id": 1}, {"id": 2}], found, KINDS, what="table")


@pytest.mark.parametrize("found", [_rows(), _rows(1, 1), _rows(1, 2, 3)])
def test_lost_rows_and_foreign_rows_are_not_covered(found: list[dict[str, Found]]) -> None:
    with pytest.raises(AssertionError, match="lost rows"):
        rows_covered([{"id": 1}, {"id": 2}], found, KINDS, what="table")


def test_repeated_rows_are_covered() -> None:
    rows_covered([{"id": 1}, {"id": 2}], _rows(2, 1, 1, 1, 2), KINDS, what="table")


def test_a_column_of_another_kind_than_promised_is_told() -> None:
    found = [{"id": Found(Kind.STRING, "1")}]
    rows_equal([{"id": 1}], found, KINDS, what="text", native=frozenset())
    with pytest.raises(AssertionError, match="came back as string"):
        rows_equal([{"id": 1}], found, KINDS, what="text", native=frozenset(Kind))
