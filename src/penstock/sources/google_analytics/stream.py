"""One report as a stream: its schema, its rows window by window, and rows that Google took back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, Final

from penstock.data.types import Column, Kind, stream_schema
from penstock.errors import DataError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.rest.cursor import iso
from penstock.sdk.rest.stream import DELETED_AT
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.google_analytics.api import Key, Property, Window, key_of
from penstock.sources.google_analytics.periods import Cut, Grain, Period, grain_of
from penstock.sources.google_analytics.position import Position, positions_of, state_of
from penstock.sources.google_analytics.presets import Report

Row = dict[str, Any]

_log = logging.getLogger(__name__)
_DAYS_BACK: Final = 365
_ANCHOR: Final = date(2015, 1, 4)
"""A Sunday; any day would do."""
_DIGITS: Final[Mapping[str, tuple[Kind, int]]] = {
    "date": (Kind.DATE, 8),
    "firstSessionDate": (Kind.DATE, 8),
    "dateHour": (Kind.TIMESTAMP, 10),
    "dateHourMinute": (Kind.TIMESTAMP, 12),
}
"""Dimensions that are days or times of the property's zone, and how many digits they have."""
_QUALITY: Final = {
    "ga_sampled": Kind.BOOLEAN,
    "ga_sample_share": Kind.NUMBER,
    "ga_other_row": Kind.BOOLEAN,
    "ga_thresholded": Kind.BOOLEAN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which days are read, and how."""

    start: date | None
    end: date | None
    window_days: int
    lookback_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStream:
    """One report of every property."""

    report: Report
    properties: Sequence[Property] = field(repr=False)
    span: Span

    namespace: ClassVar[str | None] = None
    modes: ClassVar[tuple[SyncMode, ...]] = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
    is_resumable: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The report's name."""
        return self.report.name

    @property
    def has_date(self) -> bool:
        """Whether each row names its day; else the window's or period's days are columns."""
        return "date" in self.report.dimensions

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """Property, days, dimensions, metrics, and how far the figures can be trusted."""
        kinds: dict[str, Kind] = {"property_id": Kind.STRING}
        if not self.has_date:
            kinds |= {"start_date": Kind.DATE, "end_date": Kind.DATE}
        for name in self.report.dimensions:
            kinds[name] = _DIGITS[name][0] if name in _DIGITS else Kind.STRING
        metrics = self.properties[0].fields.metrics
        kinds |= {name: metrics.get(name, Kind.NUMBER) for name in self.report.metrics}
        kinds |= {**_QUALITY, DELETED_AT: Kind.TIMESTAMP_TZ}
        return stream_schema(tuple(Column(name=name, kind=kind) for name, kind in kinds.items()))

    @property
    def cursor(self) -> PropertyPath | None:
        """The day, or the first of the period."""
        return ("date",) if self.has_date else ("start_date",)

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        """The property and the dimensions; without a date, the first day of the period, too."""
        days = () if self.has_date else ("start_date",)
        return tuple((name,) for name in ("property_id", *days, *self.report.dimensions))

    def read(self, request: ReadRequest) -> Iterator[list[Row] | State]:
        """Yields property by property, window by window, oldest first; a state after each window.

        A window that was read before is read again while Google may still work at it: its rows
        come again, and for those that are gone, one each that says so.
        """
        is_incremental = request.mode is SyncMode.INCREMENTAL
        positions = positions_of(request.state if is_incremental else None, self.name)
        with self.properties[0].client:
            for found in self.properties:
                found.check_known(self.report)
                today = found.today()
                position = positions.setdefault(found.number, Position())
                cut, begin, end = self._cut(position, today)
                for period in cut.windows(begin, end):
                    with found.window(self.report, period) as window:
                        yield from self._rows(found, window)
                    if not is_incremental:
                        continue
                    gone = sorted(position.take(period) - window.keys)
                    if gone:
                        yield [self._tombstone(found, period, key) for key in gone]
                    settled = today - timedelta(days=self.span.lookback_days)
                    following = min(period.last + timedelta(days=1), settled)
                    position.next = max(position.next or following, following)
                    unsettled = cut.floor(position.next)
                    position.finish(before=unsettled)
                    for first, keys in self._by_period(window, cut.grain):
                        if first >= unsettled:
                            position.keep(first, keys)
                    yield State(state_of(positions, self.name))
            if is_incremental:
                yield State(state_of(positions, self.name))

    def _cut(self, position: Position, today: date) -> tuple[Cut, date, date]:
        """Returns how time is cut, and the first and last day to read."""
        start = self.span.start or today - timedelta(days=_DAYS_BACK)
        cut = Cut(
            grain=grain_of(self.report.dimensions),
            days=self.span.window_days,
            anchor=self.span.start or _ANCHOR,
        )
        begin = start if position.next is None else max(start, position.next)
        return cut, begin, min(today, self.span.end or today)

    def _rows(self, found: Property, window: Window) -> Iterator[list[Row]]:
        names, metrics = self.report.dimensions, self.report.metrics
        kinds = [found.fields.metrics.get(name, Kind.NUMBER) for name in metrics]
        quality = {
            "ga_sampled": window.quality.is_sampled,
            "ga_sample_share": window.quality.sample_share,
            "ga_other_row": window.quality.has_other_row,
            "ga_thresholded": window.quality.is_thresholded,
            DELETED_AT: None,
        }
        self._warn(found, window)
        for page in window.pages():
            rows = []
            for row in page:
                key = key_of(row.get("dimensionValues") or ())
                texts = [value.get("value") for value in row.get("metricValues") or ()]
                if len(key) != len(names) or len(texts) != len(metrics):
                    raise DataError(
                        f"A row of the report {self.name} has {len(key)} dimensions and"
                        f" {len(texts)} metrics; {len(names)} and {len(metrics)} were asked for.",
                        remedy="Report it with the report's name.",
                    )
                values = map(_number, texts, kinds)
                rows.append(
                    self._head(found, window.period, key)
                    | dict(zip(metrics, values, strict=True))
                    | quality
                )
            yield rows

    def _head(self, found: Property, period: Period, key: Key) -> Row:
        """Returns the columns that tell a row from others."""
        row: Row = {"property_id": found.number}
        if not self.has_date:
            day = _day_in(self.report, key)
            row["start_date"] = (day or period.first).isoformat()
            row["end_date"] = (day or period.last).isoformat()
        for name, text in zip(self.report.dimensions, key, strict=True):
            row[name] = _moment(text, name) if name in _DIGITS else text
        return row

    def _by_period(self, window: Window, grain: Grain) -> list[tuple[date, set[Key]]]:
        """Returns the rows of a window by the first day of their period."""
        if grain is not Grain.DAY or window.period.first == window.period.last:
            return [(window.period.first, window.keys)]
        groups: dict[date, set[Key]] = {}
        for key in window.keys:
            day = _day_in(self.report, key) or window.period.first
            groups.setdefault(day, set()).add(key)
        return list(groups.items())

    def _tombstone(self, found: Property, period: Period, key: Key) -> Row:
        now = iso(found.client.now())
        return {**self._head(found, period, key), DELETED_AT: now}

    def _warn(self, found: Property, window: Window) -> None:
        quality = window.quality
        told = [
            words
            for words, holds in (
                ("it is made of a sample", quality.is_sampled),
                ("small groups are left out (thresholds)", quality.is_thresholded),
                ("rare values are added up as (other)", quality.has_other_row),
            )
            if holds
        ]
        if told:
            period = window.period
            _log.warning(
                "report %s of property %s, %s to %s: %s",
                self.name, found.number, period.first, period.last, "; ".join(told),
            )  # fmt: skip


def _day_in(report: Report, key: Key) -> date | None:
    """Returns the day that a row names; None where the report does not cut time by days."""
    for name in ("date", "dateHour", "dateHourMinute"):
        if name in report.dimensions:
            text = key[report.dimensions.index(name)][:8]
            return date.fromisoformat(text) if text.isdecimal() and len(text) == 8 else None
    return None


def _moment(text: str, name: str) -> str:
    """Returns a day or a local time as ISO 8601; anything else, as "(not set)", as it is."""
    kind, digits = _DIGITS[name]
    if len(text) != digits or not text.isdecimal():
        return text
    day = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    if kind is Kind.DATE:
        return day
    return f"{day}T{text[8:10]}:{text[10:12] or '00'}:00"


def _number(text: Any, kind: Kind) -> Any:
    """Returns a metric's value; a text that is no number stays, and is told of by its row."""
    try:
        return int(text) if kind is Kind.INTEGER else float(text)
    except (TypeError, ValueError):
        return text
