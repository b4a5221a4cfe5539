"""A cell of each type becomes its value, in every form in which Smartsheet tells it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from penstock.sources.smartsheet.cells import Unfit, columns_in

PEOPLE = {
    "objectType": "MULTI_CONTACT",
    "values": [{"objectType": "CONTACT", "email": "a@example.org"}],
}


def value_of(kind: str, cell: dict[str, Any], *, chosen: str | None = None) -> Any:
    found = [{"id": 1, "title": "It", "type": kind}]
    (column,) = columns_in(found, taken=frozenset(), kinds={"It": chosen} if chosen else {})
    return column.value(cell)


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        ("TEXT_NUMBER", {}, None),
        ("TEXT_NUMBER", {"value": None}, None),
        ("TEXT_NUMBER", {"value": ""}, ""),
        ("TEXT_NUMBER", {"value": 0}, "0"),
        ("TEXT_NUMBER", {"value": False}, "false"),
        ("TEXT_NUMBER", {"value": Decimal("0.10")}, "0.10"),
        ("TEXT_NUMBER", {"value": 9007199254740993}, "9007199254740993"),
        ("TEXT_NUMBER", {"value": "007"}, "007"),
        ("TEXT_NUMBER", {"value": "#REF"}, "#REF"),
        ("PICKLIST", {"value": "Red", "displayValue": "Red"}, "Red"),
        ("DATE", {"value": "2024-02-29"}, "2024-02-29"),
        ("DATE", {"objectValue": {"objectType": "DATE", "value": "2024-02-29"}}, "2024-02-29"),
        ("DATETIME", {"value": "2024-05-01T10:00:00Z"}, "2024-05-01T10:00:00Z"),
        ("ABSTRACT_DATETIME", {"value": "2024-05-01T08:00:00"}, "2024-05-01T08:00:00"),
        ("CHECKBOX", {"value": False}, False),
        ("CHECKBOX", {"objectValue": True}, True),
        ("CONTACT_LIST", {"value": "a@b.org"}, {"email": "a@b.org", "name": None}),
        (
            "CONTACT_LIST",
            {"value": "a@b.org", "displayValue": "A"},
            {"email": "a@b.org", "name": "A"},
        ),
        ("CONTACT_LIST", {"value": "somebody"}, {"email": None, "name": "somebody"}),
        (
            "MULTI_CONTACT_LIST",
            {"displayValue": "A", "objectValue": PEOPLE},
            [{"email": "a@example.org", "name": None}],
        ),
        (
            "MULTI_PICKLIST",
            {"objectValue": {"objectType": "MULTI_PICKLIST", "values": ["x", 1]}},
            ["x", "1"],
        ),
        (
            "DURATION",
            {
                "value": "-1d",
                "objectValue": {"objectType": "DURATION", "negative": True, "days": 1},
            },
            {"text": "-1d", "negative": True, "days": 1},
        ),
        (
            "PREDECESSOR",
            {"displayValue": "3", "objectValue": {"objectType": "PREDECESSOR_LIST"}},
            {"text": "3", "predecessors": []},
        ),
        ("SOMETHING_NEW", {"value": 5}, "5"),
    ],
)
def test_cell_becomes_its_value(kind: str, cell: dict[str, Any], expected: Any) -> None:
    found = value_of(kind, cell)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("TEXT_NUMBER", {"value": "#INVALID OPERATION", "formula": "=1/0"}),
        ("DATE", {"value": "soon"}),
        ("DATE", {"value": "2024-02-30"}),
        ("DATE", {"value": 45413}),
        ("DATETIME", {"value": "2024-05-01T10:00:00"}),
        ("ABSTRACT_DATETIME", {"value": "2024-05-01"}),
        ("CHECKBOX", {"value": "true"}),
        ("CHECKBOX", {"value": 1}),
        ("CONTACT_LIST", {"value": 7}),
        ("MULTI_CONTACT_LIST", {"value": "A, B"}),
        ("MULTI_PICKLIST", {"value": "x\ny"}),
        ("DURATION", {"value": "long"}),
        ("PREDECESSOR", {"value": "1FS"}),
    ],
)
def test_cell_of_another_type_does_not_fit(kind: str, cell: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        value_of(kind, cell)


@pytest.mark.parametrize(
    ("chosen", "value", "expected"),
    [
        ("integer", 5, 5),
        ("integer", "5", 5),
        ("integer", Decimal("5.0"), 5),
        ("decimal", Decimal("0.10"), Decimal("0.10")),
        ("decimal", "12.50", Decimal("12.50")),
        ("number", 0, 0),
        ("string", 5, "5"),
    ],
)
def test_column_the_user_chose_a_kind_for(chosen: str, value: Any, expected: Any) -> None:
    assert value_of("TEXT_NUMBER", {"value": value}, chosen=chosen) == expected


@pytest.mark.parametrize(
    ("chosen", "value"),
    [("integer", "007"), ("integer", Decimal("5.5")), ("decimal", "1e3"), ("number", True),
     ("number", "five"), ("integer", "")],
)  # fmt: skip
def test_what_is_no_number_does_not_fit_a_column_of_numbers(chosen: str, value: Any) -> None:
    with pytest.raises(Unfit):
        value_of("TEXT_NUMBER", {"value": value}, chosen=chosen)
