"""Dates, instants and times from text to whole numbers, the same for every year and spelling."""

from __future__ import annotations

import re
from typing import Final

_OFFSET: Final = r"(?: ?(?P<zone>[Zz]|UTC|[+-](?P<oh>[01][0-9]|2[0-3])(?::?(?P<om>[0-5][0-9]))?))?"
_CLOCK: Final = (
    r"(?P<hour>[01][0-9]|2[0-3])(?::(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:\.(?P<fraction>[0-9]+))?)?)?"
)
_INSTANT: Final = re.compile(
    r"(?P<year>[+-]?[0-9]{4,7})-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-2][0-9]|3[01])"
    rf"(?:[Tt ]{_CLOCK}{_OFFSET})?(?P<bc> BC)?"
)
_TIME: Final = re.compile(_CLOCK + _OFFSET)

_DAY_MICROS: Final = 86_400_000_000
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MICROS_LIMIT: Final = 1 << 63
_DAYS_LIMIT: Final = 1 << 31


class Unfit(Exception):
    """The text is no such date, instant or time; `is_too_big` when only its size is at fault."""

    def __init__(self, *, is_too_big: bool = False) -> None:
        super().__init__()
        self.is_too_big = is_too_big


def instant(text: str) -> tuple[int, bool]:
    """Returns microseconds since 1970 in UTC, and whether finer digits were cut off.

    Reads RFC 3339 and its usual relatives: "T" or a space, minutes, seconds and fraction
    optional, offset Z, UTC, +hh, +hhmm or +hh:mm (none: UTC), years before 1 as "-0043" or with
    " BC", years beyond 9999. Leap seconds, 24:00 and impossible dates raise Unfit.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Unfit
    days = _days(match)
    micros, is_cut = _clock_micros(match) if match["hour"] else (0, False)
    total = days * _DAY_MICROS + micros - _offset_micros(match)
    if not -_MICROS_LIMIT < total < _MICROS_LIMIT:
        raise Unfit(is_too_big=True)
    return total, is_cut


def date(text: str) -> int:
    """Returns days since 1970; a date-time is a date only at midnight without offset or in UTC."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Unfit
    if match["hour"]:
        micros, is_cut = _clock_micros(match)
        if micros or is_cut or _offset_micros(match):
            raise Unfit
    days = _days(match)
    if not -_DAYS_LIMIT < days < _DAYS_LIMIT:
        raise Unfit(is_too_big=True)
    return days


def time(text: str) -> tuple[int, bool]:
    """Returns microseconds since midnight, and whether finer digits were cut off.

    An offset other than UTC raises Unfit: without its date the time has no other wall clock.
    """
    match = _TIME.fullmatch(text)
    if match is None or not match["minute"] or _offset_micros(match):
        raise Unfit
    return _clock_micros(match)


def _clock_micros(match: re.Match[str]) -> tuple[int, bool]:
    digits = match["fraction"] or ""
    seconds = int(match["hour"]) * 3600 + int(match["minute"] or 0) * 60 + int(match["second"] or 0)
    is_cut = bool(digits[6:].strip("0"))
    return seconds * 1_000_000 + int(digits[:6].ljust(6, "0")), is_cut


def _offset_micros(match: re.Match[str]) -> int:
    if not match["oh"]:
        return 0
    minutes = int(match["oh"]) * 60 + int(match["om"] or 0)
    return minutes * 60_000_000 * (-1 if match["zone"][0] == "-" else 1)


def _days(match: re.Match[str]) -> int:
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    if match["bc"]:
        if year < 1:
            raise Unfit
        year = 1 - year
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTH_DAYS[month - 1] + (is_leap and month == 2):
        raise Unfit
    return days_from_civil(year, month, day)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Returns days since 1970-01-01 in the proleptic Gregorian calendar, year 0 being 1 BC."""
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Returns year, month and day: the inverse of `days_from_civil`."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = (shifted_month + 2) % 12 + 1
    year = year_of_era + era * 400 + (month <= 2)
    return year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1


def iso_date(days: int) -> str:
    """Returns a date as `date` reads it back; years before 1 carry " BC"."""
    year, month, day = civil_from_days(days)
    return (
        f"{year:04d}-{month:02d}-{day:02d}"
        if year > 0
        else f"{1 - year:04d}-{month:02d}-{day:02d} BC"
    )


def iso_instant(micros: int, *, suffix: str) -> str:
    """Returns an instant as `instant` reads it back; `suffix` is "Z", or "" for a wall clock."""
    days, rest = divmod(micros, _DAY_MICROS)
    day, _, era = iso_date(days).partition(" ")
    return f"{day}T{iso_time(rest)}{suffix}{' ' + era if era else ''}"


def iso_time(micros: int) -> str:
    """Returns a time of day as `time` reads it back."""
    seconds, part = divmod(micros, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}{f'.{part:06d}' if part else ''}"
