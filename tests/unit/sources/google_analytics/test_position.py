"""What a state says of a report comes back from JSON as it was, or is refused."""

from __future__ import annotations

import json
import logging
import random
from datetime import date

import pytest

from penstock.errors import ConfigError
from penstock.sources.google_analytics.periods import Period
from penstock.sources.google_analytics.position import Position, positions_of, state_of


def test_position_comes_back_from_json() -> None:
    position = Position(next=date(2024, 6, 1))
    position.keep(date(2024, 6, 1), [("20240601", "Côte d'Ivoire"), ("20240601", "(not set)")])
    position.keep(date(2024, 6, 2), [])
    state = json.loads(json.dumps(state_of({"1": position, "2": Position()}, "pages")))
    assert positions_of(state, "pages") == {"1": position, "2": Position()}


def test_periods_that_are_settled_are_forgotten() -> None:
    position = Position(next=date(2024, 6, 2))
    for day in (1, 2, 3):
        position.keep(date(2024, 6, day), [(str(day),)])
    position.finish(before=date(2024, 6, 2))
    assert list(position.rows) == [date(2024, 6, 2), date(2024, 6, 3)]


def test_rows_of_a_window_are_taken_once() -> None:
    position = Position(next=date(2024, 6, 1))
    for day in (1, 2, 3):
        position.keep(date(2024, 6, day), [(str(day), "x")])
    window = Period(date(2024, 6, 2), date(2024, 6, 9))
    assert position.take(window) == {("2", "x"), ("3", "x")}
    assert position.take(window) == set()


@pytest.mark.parametrize(
    "state",
    [{}, {"properties": 5}, {"properties": {"1": {"next": "soon", "rows": {}}}}, {"cursor": "x"},
     {"properties": {"1": {"next": None, "rows": {"2024-01-01": "!"}}}}],
)  # fmt: skip
def test_state_of_another_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="not one that the Google Analytics source wrote"):
        positions_of(state, "pages")


def test_state_leaves_out_the_oldest_rows_before_it_grows_too_large(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(1)
    position = Position(next=date(2024, 6, 1))
    for day in (1, 2, 3):
        keys = [(chance.randbytes(40).hex(),) for _ in range(45_000)]
        position.keep(date(2024, 6, day), keys)
    with caplog.at_level(logging.WARNING):
        state = state_of({"1": position}, "pages")
    assert len(json.dumps(state)) < 5 << 20
    assert list(state["properties"]["1"]["rows"]) == ["2024-06-03"]
    assert "rows that Google takes back cannot be told" in caplog.text
