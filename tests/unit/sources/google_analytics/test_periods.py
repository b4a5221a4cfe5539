"""Windows of every grain cover each day once, and never cut a week, month or year but the last."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sources.google_analytics.periods import Cut, Grain, grain_of, period_of

DAYS = st.dates(min_value=date(2016, 1, 1), max_value=date(2031, 12, 31))


@pytest.mark.parametrize(
    ("dimensions", "grain"),
    [
        (["country", "date"], Grain.DAY),
        (["dateHourMinute"], Grain.DAY),
        (["date", "yearWeek"], Grain.DAY),
        (["yearWeek", "eventName"], Grain.WEEK),
        (["year", "week"], Grain.WEEK),
        (["isoYearIsoWeek"], Grain.ISO_WEEK),
        (["isoYear", "isoWeek"], Grain.ISO_WEEK),
        (["yearMonth"], Grain.MONTH),
        (["month", "year"], Grain.MONTH),
        (["year"], Grain.YEAR),
        (["month", "country"], Grain.WINDOW),
        ([], Grain.WINDOW),
    ],
)
def test_grain_is_the_finest_period_that_rows_tell_apart(
    dimensions: list[str], grain: Grain
) -> None:
    assert grain_of(dimensions) is grain


@pytest.mark.parametrize(
    ("grain", "day", "first", "last"),
    [
        (Grain.WEEK, "2024-11-06", "2024-11-03", "2024-11-09"),
        (Grain.WEEK, "2024-01-01", "2024-01-01", "2024-01-06"),
        (Grain.WEEK, "2023-12-31", "2023-12-31", "2023-12-31"),
        (Grain.ISO_WEEK, "2024-12-31", "2024-12-30", "2025-01-05"),
        (Grain.MONTH, "2024-02-29", "2024-02-01", "2024-02-29"),
        (Grain.MONTH, "2024-12-31", "2024-12-01", "2024-12-31"),
        (Grain.YEAR, "2024-07-01", "2024-01-01", "2024-12-31"),
    ],
)
def test_period_of_a_day(grain: Grain, day: str, first: str, last: str) -> None:
    found = period_of(grain, date.fromisoformat(day))
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


@given(
    grain=st.sampled_from(Grain),
    anchor=DAYS,
    begin=DAYS,
    length=st.integers(0, 800),
    days=st.integers(1, 40),
)
def test_windows_cover_each_day_once(
    grain: Grain, anchor: date, begin: date, length: int, days: int
) -> None:
    cut = Cut(grain=grain, days=days, anchor=anchor)
    end = begin + timedelta(days=length)
    found = list(cut.windows(begin, end))
    assert found[0].first == cut.floor(begin) <= begin
    assert found[-1].last == end
    for one, following in itertools.pairwise(found):
        assert following.first == one.last + timedelta(days=1)
    if grain in (Grain.WEEK, Grain.ISO_WEEK, Grain.MONTH, Grain.YEAR):
        assert [period_of(grain, one.first) for one in found[:-1]] == found[:-1]


@given(anchor=DAYS, begin=DAYS, later=st.integers(0, 100), days=st.integers(1, 40))
def test_windows_without_a_grain_are_the_same_in_every_sync(
    anchor: date, begin: date, later: int, days: int
) -> None:
    cut = Cut(grain=Grain.WINDOW, days=days, anchor=anchor)
    end = begin + timedelta(days=200)
    first = {one.first for one in cut.windows(begin, end)}
    second = {one.first for one in cut.windows(begin + timedelta(days=later), end)}
    assert second <= first
