"""How a report's dimensions cut time: by day, week, month or year, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import assert_never

_DAY = timedelta(days=1)


class Grain(StrEnum):
    """The finest period that a report's rows tell apart."""

    DAY = "day"
    WEEK = "week"
    """From Sunday; cut at the year's end, as yearWeek is (Data API schema, "week")."""
    ISO_WEEK = "iso_week"
    MONTH = "month"
    YEAR = "year"
    WINDOW = "window"
    """None: rows tell of the whole window asked for."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days from the first to the last, both included."""

    first: date
    last: date


def grain_of(dimensions: Sequence[str]) -> Grain:
    """Returns the grain of a report."""
    names = set(dimensions)
    for grain, choices in _MARKS:
        if any(choice <= names for choice in choices):
            return grain
    return Grain.WINDOW


_MARKS: tuple[tuple[Grain, tuple[frozenset[str], ...]], ...] = (
    (Grain.DAY, (frozenset({"date"}), frozenset({"dateHour"}), frozenset({"dateHourMinute"}))),
    (Grain.WEEK, (frozenset({"yearWeek"}), frozenset({"year", "week"}))),
    (Grain.ISO_WEEK, (frozenset({"isoYearIsoWeek"}), frozenset({"isoYear", "isoWeek"}))),
    (Grain.MONTH, (frozenset({"yearMonth"}), frozenset({"year", "month"}))),
    (Grain.YEAR, (frozenset({"year"}),)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a report's time is cut into windows."""

    grain: Grain
    days: int
    """Of a window; weeks, months and years are asked for one at a time."""
    anchor: date
    """Where windows without a grain are counted from, so that all syncs have the same."""

    def floor(self, day: date) -> date:
        """Returns the first day of the window that has to be read for a day."""
        match self.grain:
            case Grain.DAY:
                return day
            case Grain.WINDOW:
                span = timedelta(days=self.days)
                return self.anchor + (day - self.anchor) // span * span
            case _:
                return period_of(self.grain, day).first

    def windows(self, begin: date, end: date) -> Iterator[Period]:
        """Yields what to ask for, oldest first; begins at a window's first day, ends at `end`.

        The users of a week are not the sum of its days', so no period is cut but the last.
        """
        first = self.floor(begin)
        while first <= end:
            if self.grain in (Grain.DAY, Grain.WINDOW):
                last = first + timedelta(days=self.days - 1)
            else:
                last = period_of(self.grain, first).last
            yield Period(first, min(last, end))
            first = last + _DAY


def period_of(grain: Grain, day: date) -> Period:
    """Returns the period that a day belongs to."""
    match grain:
        case Grain.DAY | Grain.WINDOW:
            return Period(day, day)
        case Grain.WEEK:
            sunday = day - timedelta(days=(day.weekday() + 1) % 7)
            first = max(sunday, date(day.year, 1, 1))
            return Period(first, min(sunday + timedelta(days=6), date(day.year, 12, 31)))
        case Grain.ISO_WEEK:
            monday = day - timedelta(days=day.weekday())
            return Period(monday, monday + timedelta(days=6))
        case Grain.MONTH:
            following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
            return Period(day.replace(day=1), following - _DAY)
        case Grain.YEAR:
            return Period(date(day.year, 1, 1), date(day.year, 12, 31))
        case _:
            assert_never(grain)
