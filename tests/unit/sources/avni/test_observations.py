"""Observations get columns whose kinds hold every answer that was seen."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.data.types import Kind
from penstock.sources.avni.observations import kind_of, observation_columns, with_columns


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], Kind.STRING),
        ([None, None], Kind.STRING),
        ([True, False, None], Kind.BOOLEAN),
        ([1, 2], Kind.NUMBER),
        ([1, 2.5, None], Kind.NUMBER),
        ([True, 1], Kind.JSON),
        (["2024-01-01", "2023-12-31"], Kind.DATE),
        (["2024-01-01", "soon"], Kind.STRING),
        (["2024-13-01"], Kind.STRING),
        (["20240101"], Kind.STRING),
        (["2024-01-01T10:00:00.000Z"], Kind.TIMESTAMP_TZ),
        (["2024-01-01T10:00:00"], Kind.STRING),
        (["007", "8"], Kind.STRING),
        (["Fever", ["Fever"]], Kind.JSON),
        ([["Fever", "Cough"]], Kind.JSON),
        ([{"phoneNumber": "98"}], Kind.JSON),
    ],
)
def test_kind_holds_every_answer(values: list[Any], kind: Kind) -> None:
    assert kind is kind_of(values)


def test_concepts_are_columns_under_the_property_that_holds_them() -> None:
    sample = [
        {"observations": {"Weight (kg)": 5, "a.b": "x"}, "exitObservations": {}},
        {"observations": None, "exitObservations": {"Weight (kg)": "light"}},
        {},
    ]
    assert observation_columns(sample, ("observations", "exitObservations")) == {
        "exitObservations.Weight (kg)": Kind.STRING,
        "observations.Weight (kg)": Kind.NUMBER,
        "observations.a.b": Kind.STRING,
    }


def test_row_keeps_its_observations_whole_beside_their_columns() -> None:
    row = {"ID": "1", "observations": {"a": 1, "late": 2}}
    found = with_columns(row, ("observations.a", "observations.b"), ("observations",))
    assert found == {**row, "observations.a": 1, "observations.b": None}
