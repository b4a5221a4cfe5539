"""When a schedule starts something next: intervals, cron of five or Quartz's fields, time zones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from croniter.croniter import CroniterBadCronError, CroniterBadDateError, CroniterNotAlphaError

from penstock.control.model import Schedule, ScheduleKind
from penstock.errors import ConfigError

MINIMUM_INTERVAL_SECONDS: Final = 10
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NEAR_CHANGE: Final = timedelta(hours=3)
"""No clock is put forward or back by more."""


def check_schedule(schedule: Schedule) -> None:
    """Raises ConfigError when a schedule cannot be kept."""
    match schedule.kind:
        case ScheduleKind.INTERVAL:
            if (schedule.interval_seconds or 0) < MINIMUM_INTERVAL_SECONDS:
                raise ConfigError(
                    f"A connection cannot run every {schedule.interval_seconds} seconds.",
                    remedy=f"Choose an interval of {MINIMUM_INTERVAL_SECONDS} seconds or more.",
                )
        case ScheduleKind.CRON:
            _require_future(schedule)
        case ScheduleKind.AFTER:
            if not schedule.after:
                raise ConfigError(
                    "The schedule does not say which connection it follows.",
                    remedy="Give the id of that connection as `after`.",
                )
        case ScheduleKind.MANUAL:
            pass
    if schedule.jitter_seconds < 0:
        raise ConfigError("A jitter cannot be negative.", remedy="Give seconds, 0 or more.")


def next_time(
    schedule: Schedule, *, now: datetime, last_started: datetime | None = None, key: str = ""
) -> datetime | None:
    """Returns when a schedule starts something next; None when it does not by time.

    An interval counts from the last start, whatever caused it; one that has passed already is
    due now, once: what was missed while nothing ran is not made up for. A cron schedule starts
    after `now`. `key` spreads jitter.
    """
    match schedule.kind:
        case ScheduleKind.MANUAL | ScheduleKind.AFTER:
            return None
        case ScheduleKind.INTERVAL:
            if last_started is None:
                return now + _jitter(schedule, key)
            interval = timedelta(seconds=schedule.interval_seconds or MINIMUM_INTERVAL_SECONDS)
            return max(last_started + interval, now)
        case ScheduleKind.CRON:
            moment = next(_cron(schedule).after(now - _jitter(schedule, key)), None)
            return None if moment is None else moment + _jitter(schedule, key)


def next_times(schedule: Schedule, *, now: datetime, count: int = 5) -> tuple[datetime, ...]:
    """Returns the next starts of a schedule, to be shown; without jitter."""
    match schedule.kind:
        case ScheduleKind.MANUAL | ScheduleKind.AFTER:
            return ()
        case ScheduleKind.INTERVAL:
            step = timedelta(seconds=schedule.interval_seconds or MINIMUM_INTERVAL_SECONDS)
            return tuple(now + step * number for number in range(1, count + 1))
        case ScheduleKind.CRON:
            starts = _cron(schedule).after(now)
            return tuple(moment for moment, _ in zip(starts, range(count), strict=False))


def _require_future(schedule: Schedule) -> None:
    if next(_cron(schedule).after(datetime.now(UTC)), None) is None:
        raise ConfigError(
            f"The cron expression {schedule.cron!r} never comes again.",
            remedy="Choose a time that lies ahead.",
        )


def _jitter(schedule: Schedule, key: str) -> timedelta:
    if schedule.jitter_seconds <= 0:
        return timedelta()
    spread = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return timedelta(seconds=spread % (schedule.jitter_seconds + 1))


@dataclass(frozen=True, slots=True)
class _Cron:
    """A cron expression in the words of croniter, and the zone its fields are read in."""

    expression: str
    zone: ZoneInfo
    repeats_in_hours: bool
    """True when it runs in every hour or every few: then also in one that comes twice."""

    def after(self, now: datetime) -> Iterator[datetime]:
        """Yields the starts after a moment.

        A time that a clock change leaves out comes as much later as the clock was put forward;
        one that comes twice is met once, unless the schedule repeats within the day.
        """
        local = now.astimezone(self.zone)
        while True:
            found = self._first(local, now)
            if found is None:
                return
            yield found
            now, local = found, found.astimezone(self.zone)

    def _first(self, local: datetime, now: datetime) -> datetime | None:
        is_near = (
            (local.astimezone(UTC) - _NEAR_CHANGE).astimezone(self.zone).utcoffset()
            != (local.astimezone(UTC) + _NEAR_CHANGE).astimezone(self.zone).utcoffset()
        )  # fmt: skip
        begin = local.replace(tzinfo=None) - (_NEAR_CHANGE if is_near else timedelta())
        best: datetime | None = None
        for naive in self._wall_times(begin):
            folds = (0, 1) if is_near and self.repeats_in_hours else (0,)
            for fold in folds:
                moment = naive.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
                if moment > now and (best is None or moment < best):
                    best = moment
            far = naive.replace(tzinfo=self.zone).astimezone(UTC)
            if best is not None and (not is_near or far > best + _NEAR_CHANGE):
                return best
        return best

    def _wall_times(self, begin: datetime) -> Iterator[datetime]:
        times = croniter(self.expression, begin, second_at_beginning=True)
        while True:
            try:
                yield times.get_next(datetime)
            except CroniterBadDateError:
                return  # no such day in the next fifty years, or its year has passed


def _cron(schedule: Schedule) -> _Cron:
    return _parsed(schedule.cron or "", schedule.time_zone)


@lru_cache(maxsize=4096)
def _parsed(text: str, time_zone: str) -> _Cron:
    fields = text.split()
    if fields and fields[-1] == "UTC" and len(fields) > 5:
        fields = fields[:-1]
    is_quartz = len(fields) in (6, 7)
    if not is_quartz and len(fields) != 5:
        raise _bad_cron(text, f"it has {len(fields)} fields")
    fields = [field.upper() for field in fields]
    if is_quartz:
        fields[5] = _quartz_weekdays(fields[5], text)
    expression = " ".join(fields)
    try:
        croniter(expression, datetime(2026, 1, 1), second_at_beginning=True)  # noqa: DTZ001
    except (CroniterBadCronError, CroniterNotAlphaError, ValueError, KeyError) as error:
        raise _bad_cron(text, str(error)) from error
    hours = fields[2 if is_quartz else 1]
    return _Cron(expression, _zone(time_zone), hours.startswith("*") or "/" in hours)


def _quartz_weekdays(field: str, text: str) -> str:
    """Returns Quartz's days of the week (1 is Sunday) as cron's names; `6L` as `L5`."""
    if "L" in field and field != "L":
        last = re.fullmatch(r"([1-7]|[A-Z]{3})L", field)
        if last is None:
            raise _bad_cron(text, f"{field} is no last day of a week")
        day = last[1] if last[1] in _DAYS else _DAYS[int(last[1]) - 1]
        return f"L{_DAYS.index(day)}"
    if field == "L":
        return "SAT"
    head, slash, step = field.partition("/")
    parts = []
    for part in head.split(","):
        day, hash_, number = part.partition("#")
        ends = [_DAYS[int(end) - 1] if end in "1234567" and end else end for end in day.split("-")]
        parts.append("-".join(ends) + hash_ + number)
    return ",".join(parts) + slash + step


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"There is no time zone {name!r}.",
            remedy='Write its IANA name: "Europe/Berlin", "UTC".',
        ) from error


def _bad_cron(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"The cron expression {text!r} cannot be read: {why}.",
        remedy="Write five fields (minute hour day month weekday), or Quartz's six or seven, "
        'which begin with the second: "0 0 * * * ?" is every hour.',
    )
