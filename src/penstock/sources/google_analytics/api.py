"""The Data API for one property: its fields, its time zone, and whole reports of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import IO, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from penstock.data.types import Kind
from penstock.errors import AccessDenied, ConfigError, DataError, MissingDriver, TransientError
from penstock.sdk.rest import Ask, Reply, RestClient
from penstock.sdk.rest.body import Body, Records
from penstock.sdk.rest.retry import asked_wait
from penstock.sources.google_analytics.config import MOST_ROWS
from penstock.sources.google_analytics.periods import Period
from penstock.sources.google_analytics.presets import Report
from penstock.sources.google_analytics.quota import Quota

Key = tuple[str, ...]
"""The values of a row's dimensions, as the API writes them."""

_REFUSALS: Final = frozenset({400, 403, 404, 429})
_IN_MEMORY: Final = 32 << 20
_TRIES: Final = 5
_INVALID: Final = "INVALID_ARGUMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What Google says of the answer as a whole: how far its figures can be trusted."""

    is_sampled: bool = False
    sample_share: float | None = None
    has_other_row: bool = False
    is_thresholded: bool = False


@dataclass(slots=True, kw_only=True)
class Window:
    """A whole report of one window: its pages, proved complete, and what is said of it."""

    period: Period
    count: int = 0
    quality: Quality = field(default_factory=Quality)
    keys: set[Key] = field(default_factory=set)
    file: IO[bytes]
    """The pages' rows, one page after the other: its length, a line end, JSON."""

    def pages(self) -> Iterator[list[Mapping[str, Any]]]:
        """Yields the rows as the API gives them, page by page."""
        self.file.seek(0)
        while head := self.file.readline():
            yield orjson.loads(self.file.read(int(head)))


class Property:
    """One property, as these credentials see it."""

    def __init__(
        self,
        client: RestClient,
        number: str,
        *,
        quota: Quota,
        page_rows: int,
        keep_empty_rows: bool,
        sleep: Callable[[float], None],
    ) -> None:
        self.client = client
        self.number = number
        self._quota = quota
        self._page_rows = page_rows
        self._keep_empty_rows = keep_empty_rows
        self._sleep = sleep

    @cached_property
    def fields(self) -> Fields:
        """The dimensions and metrics there are; asks for them once."""
        body = self._ask(Ask(path=f"properties/{self.number}/metadata"))
        kinds = {
            metric["apiName"]: _KINDS.get(metric.get("type", ""), Kind.NUMBER)
            for metric in body.at(("metrics",)) or ()
        }
        dimensions = {one["apiName"] for one in body.at(("dimensions",)) or ()}
        return Fields(dimensions=frozenset(dimensions), metrics=kinds)

    @cached_property
    def time_zone(self) -> ZoneInfo:
        """Where the property's days begin; asks for it once."""
        asked = {
            "metrics": [{"name": "sessions"}],
            "dateRanges": [{"startDate": "yesterday", "endDate": "today"}],
            "limit": "1",
            "returnPropertyQuota": True,
        }
        name = self._run(asked).at(("metadata", "timeZone"))
        if not isinstance(name, str):
            raise DataError(
                f"Google does not tell the time zone of the property {self.number}.",
                remedy="Set it in Admin > Property details, and sync again.",
            )
        try:
            return ZoneInfo(name)
        except ZoneInfoNotFoundError as error:
            raise MissingDriver(
                f"This machine does not know the time zone {name} of the property {self.number}.",
                remedy="pip install tzdata",
            ) from error

    def today(self) -> date:
        """Returns the day it is where the property is."""
        return self.client.now().astimezone(self.time_zone).date()

    def check_known(self, report: Report) -> None:
        """Raises ConfigError naming the fields of a report that the property does not have."""
        unknown = self.fields.unknown(report)
        if unknown:
            raise ConfigError(
                f"The property {self.number} has no {' and '.join(unknown)}, which the report"
                f" {report.name} asks for.",
                remedy="Correct the names in custom_reports: API names, as eventName; fields of"
                " one's own as customEvent:name.",
                field="custom_reports",
            )

    def check_compatible(self, report: Report) -> None:
        """Asks whether a report's fields can stand together; Google names those that cannot.

        Its answer lists what else could be added; fields that do not go together are refused, as
        they would be when the report is read (Data API, "checkCompatibility").
        """
        path = f"properties/{self.number}:checkCompatibility"
        asked = {**_fields(report), "compatibilityFilter": "COMPATIBLE"}
        try:
            self._ask(Ask(path=path, method="POST", body=asked))
        except ConfigError as error:
            if error.context.get("status") != _INVALID:
                raise
            raise ConfigError(
                f"The report {report.name} cannot be made: {error.message}",
                remedy="Take those fields out of custom_reports, or make two reports of it.",
                field="custom_reports",
            ) from error

    @contextmanager
    def window(self, report: Report, period: Period) -> Iterator[Window]:
        """Gives a whole report of one window. Raises TransientError where it stays in motion.

        Pages are put aside until the number of their rows is what Google says it is, on each of
        them: while it works at a day, rows move from page to page.
        """
        for _ in range(_TRIES):
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                window = self._whole(report, Window(period=period, file=file))
                if window is not None:
                    yield window
                    return
        raise TransientError(
            f"The report {report.name} of {period.first} to {period.last} changed each of the"
            f" {_TRIES} times it was read.",
            remedy="Sync again later; or give more page_rows.",
            property=self.number,
        )

    def _whole(self, report: Report, window: Window) -> Window | None:
        """Reads all pages into the window; None where rows moved between them.

        Rows are sorted by all dimensions, and each page begins with the last row of the one before:
        as long as that stands in its place, the page goes on right behind it. The count alone
        would not tell of one row gone and another come.
        """
        total: int | None = None
        last: Key | None = None
        while True:
            body = self._run(self._asked(report, window.period, window.count, is_next=bool(last)))
            told = body.at(("rowCount",)) or 0
            if total is not None and told != total:
                return None
            total = told
            window.quality = _worse(window.quality, body.at(("metadata",)) or {})
            # Without rows, the answer leaves them out.
            has_rows = body.raw_at(("rows",)) is not None
            rows = body.records(("rows",)) if has_rows else Records.of([])
            if report.dimensions:
                keys = list(map(key_of, rows.fields(("dimensionValues",))))
                if last is not None:
                    if keys[:1] != [last]:
                        return None
                    keys, rows = keys[1:], rows.take(range(1, len(rows)))
                last = keys[-1] if keys else None
                window.keys.update(keys)
            if not len(rows):
                break
            text = rows.text()
            window.file.write(b"%d\n" % len(text) + text)
            window.count += len(rows)
            if window.count >= total:
                break
        had = len(window.keys) if report.dimensions else window.count
        return window if window.count == total == had else None

    def _asked(
        self, report: Report, period: Period, count: int, *, is_next: bool
    ) -> dict[str, Any]:
        asked: dict[str, Any] = {
            **_fields(report),
            "dateRanges": [
                {"startDate": period.first.isoformat(), "endDate": period.last.isoformat()}
            ],
            # Without an order of its own, the same row can stand on two pages.
            "orderBys": [{"dimension": {"dimensionName": name}} for name in report.dimensions],
            "offset": str(count - is_next),
            "limit": str(min(self._page_rows + is_next, MOST_ROWS)),
            "keepEmptyRows": self._keep_empty_rows,
            "returnPropertyQuota": True,
        }
        return asked

    def _run(self, asked: Mapping[str, Any]) -> Body:
        wait = self._quota.wait_seconds(self.client.now())
        if wait:
            self._sleep(wait)
        path = f"properties/{self.number}:runReport"
        body = self._ask(Ask(path=path, method="POST", body=asked))
        self._quota.note(body.at(("propertyQuota",)), self.client.now())
        return body

    def _ask(self, ask: Ask) -> Body:
        return self.client.ask(ask, self._read, accept=_REFUSALS)

    def _read(self, reply: Reply) -> Body:
        if reply.status < 300:
            return Body(reply.content)
        words, status = _words(reply)
        told = f"Google answers for the property {self.number}: {words}"
        if reply.status == 429:
            asked = asked_wait(reply.headers.get("retry-after"), self.client.now())
            raise self._quota.refusal(told, self.client.now(), asked)
        if reply.status == 403:
            is_off = "has not been used" in words or "disabled" in words
            raise AccessDenied(
                told,
                remedy="Turn on the Google Analytics Data API for the project: Google Cloud console"
                " > APIs & Services > Library."
                if is_off
                else "Add the account as a Viewer: Google Analytics > Admin > Property access"
                " management; and see whether property_ids is right.",
                field="property_ids",
                status=status,
            )
        raise ConfigError(  # an unknown field, fields that do not go together, a bad filter
            told, remedy="See whether property_ids and custom_reports are right.", status=status
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The dimensions and metrics that a property has."""

    dimensions: frozenset[str]
    metrics: Mapping[str, Kind]

    def unknown(self, report: Report) -> list[str]:
        """Returns the fields of a report that the property does not have."""
        missing = [name for name in report.dimensions if name not in self.dimensions]
        return missing + [name for name in report.metrics if name not in self.metrics]


_KINDS: Final[Mapping[str, Kind]] = {"TYPE_INTEGER": Kind.INTEGER}
"""Of metrics (Data API, "MetricType"); all others are numbers."""


def key_of(values: Sequence[Mapping[str, Any]]) -> Key:
    """Returns what tells a row of a report from its others."""
    return tuple(str(value.get("value", "")) for value in values)


def _fields(report: Report) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "dimensions": [{"name": name} for name in report.dimensions],
        "metrics": [{"name": name} for name in report.metrics],
    }
    if report.dimension_filter:
        asked["dimensionFilter"] = json.loads(report.dimension_filter)
    if report.metric_filter:
        asked["metricFilter"] = json.loads(report.metric_filter)
    return asked


def _worse(known: Quality, metadata: Mapping[str, Any]) -> Quality:
    shares = [
        int(one["samplesReadCount"]) / int(one["samplingSpaceSize"])
        for one in metadata.get("samplingMetadatas") or ()
        if int(one.get("samplingSpaceSize") or 0)
    ]
    if known.sample_share is not None:
        shares.append(known.sample_share)
    return Quality(
        is_sampled=known.is_sampled or bool(shares),
        sample_share=min(shares, default=None),
        has_other_row=known.has_other_row or metadata.get("dataLossFromOtherRow") is True,
        is_thresholded=known.is_thresholded or metadata.get("subjectToThresholding") is True,
    )


def _words(reply: Reply) -> tuple[str, str]:
    """Returns the message and the status of an error as Google writes them."""
    try:
        error = json.loads(reply.content)["error"]
        return str(error["message"]), str(error.get("status", reply.status))
    except (ValueError, KeyError, TypeError):
        return f"HTTP {reply.status}", str(reply.status)
