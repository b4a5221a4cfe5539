from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from penstock.control.model import Schedule, ScheduleKind
from penstock.control.schedule import check_schedule, next_time, next_times
from penstock.errors import ConfigError

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)  # a Saturday


def cron(expression: str, zone: str = "UTC") -> Schedule:
    return Schedule(kind=ScheduleKind.CRON, cron=expression, time_zone=zone)


def starts(schedule: Schedule, now: datetime = NOW, count: int = 2) -> list[str]:
    found = next_times(schedule, now=now, count=count)
    return [f"{each:%Y-%m-%d %H:%M:%S}" for each in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("*/15 * * * *", ["2026-11-21 06:15:00", "2026-11-21 06:30:00"], id="5-fields"),
        pytest.param("0 2 * * 1", ["2026-11-23 02:00:00", "2026-11-30 02:00:00"], id="cron-monday"),
        pytest.param("0 0 2 ? * 2", ["2026-11-23 02:00:00", "2026-11-30 02:00:00"], id="quartz-2"),
        pytest.param("0 0 2 ? * 1", ["2026-11-22 02:00:00", "2026-11-29 02:00:00"], id="quartz-1"),
        pytest.param(
            "0 0 12 ? * 2-6", ["2026-11-23 12:00:00", "2026-11-24 12:00:00"], id="quartz-range"
        ),
        pytest.param("0 0 12 L * ?", ["2026-11-30 12:00:00", "2026-12-31 12:00:00"], id="last-day"),
        pytest.param(
            "0 0 12 ? * 6L", ["2026-11-27 12:00:00", "2026-12-25 12:00:00"], id="last-friday"
        ),
        pytest.param(
            "0 0 12 ? * fri#2", ["2026-12-11 12:00:00", "2027-01-08 12:00:00"], id="2nd-friday"
        ),
        pytest.param("30 0 10 1 1 ? 2028", ["2028-01-01 10:00:30"], id="a-year-that-comes-once"),
        pytest.param(
            "0 0 */6 * * ? UTC", ["2026-11-21 12:00:00", "2026-11-21 18:00:00"], id="airbytes-utc"
        ),
    ],
)
def test_cron_starts_when_its_fields_say(expression: str, expected: list[str]) -> None:
    assert starts(cron(expression)) == expected


def test_cron_fields_are_wall_clock_times_of_their_zone() -> None:
    assert starts(cron("0 9 * * *", "America/New_York"))[0] == "2026-11-21 14:00:00"


def test_a_time_the_clock_leaves_out_comes_an_hour_later() -> None:
    before = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
    assert starts(cron("30 2 * * *", "Europe/Berlin"), before) == [
        "2027-03-28 01:30:00",  # 02:30 does not exist: 03:30 summer time
        "2027-03-29 00:30:00",
    ]


def test_a_time_that_comes_twice_is_met_once() -> None:
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert starts(cron("30 2 * * *", "Europe/Berlin"), before) == [
        "2026-10-25 00:30:00",
        "2026-10-26 01:30:00",
    ]


def test_a_schedule_of_every_few_minutes_goes_on_in_an_hour_that_comes_twice() -> None:
    before = datetime(2026, 10, 25, 0, 25, tzinfo=UTC)
    found = next_times(cron("*/30 * * * *", "Europe/Berlin"), now=before, count=6)
    assert found == tuple(
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(minutes=30 * number)
        for number in range(6)
    )


@pytest.mark.parametrize("expression", ["", "* * *", "61 * * * *", "x y z a b", "0 0 12 L-3 * ?"])
def test_an_unreadable_expression_is_refused_with_the_way_to_write_one(expression: str) -> None:
    with pytest.raises(ConfigError, match="five fields"):
        check_schedule(cron(expression))


def test_an_expression_that_never_comes_is_refused() -> None:
    with pytest.raises(ConfigError, match="never comes"):
        check_schedule(cron("0 0 12 1 1 ? 2020"))


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ConfigError, match="IANA"):
        check_schedule(cron("0 0 * * *", "Mars/Olympus"))


def test_an_interval_counts_from_the_last_start() -> None:
    hourly = Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=3600)
    started = NOW - timedelta(minutes=20)
    assert next_time(hourly, now=NOW, last_started=started) == NOW + timedelta(minutes=40)


def test_what_was_missed_is_made_up_for_once_and_at_once() -> None:
    hourly = Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=3600)
    assert next_time(hourly, now=NOW, last_started=NOW - timedelta(days=9)) == NOW
    assert next_time(hourly, now=NOW) == NOW


def test_jitter_is_the_same_every_time_and_spreads_connections() -> None:
    schedule = Schedule(kind=ScheduleKind.CRON, cron="0 * * * *", jitter_seconds=600)
    moments = {
        next_time(schedule, now=NOW - timedelta(minutes=30), key=str(number))
        for number in range(50)
    }
    assert len(moments) > 25
    assert all(each and NOW <= each <= NOW + timedelta(minutes=10) for each in moments)
    first = next_time(schedule, now=NOW, key="a")
    assert first is not None
    second = next_time(schedule, now=first, key="a")
    assert second is not None
    assert second - first == timedelta(hours=1)


def test_an_interval_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="10 seconds"):
        check_schedule(Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=1))


def test_manual_and_following_schedules_have_no_time() -> None:
    for kind in (ScheduleKind.MANUAL, ScheduleKind.AFTER):
        assert next_time(Schedule(kind=kind, after="c"), now=NOW) is None
