"""Google Analytics reports: every row of every window, and what Google takes back or holds back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from penstock.errors import (
    AccessDenied,
    ConfigError,
    PenstockError,
    ResourceExhausted,
    TransientError,
)
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.google_analytics import GoogleAnalyticsConfig, GoogleAnalyticsSource
from tests.doubles.analytics_server import NOW, AnalyticsServer, Event, events, key_file
from tests.doubles.vendor import FAULTS, serving

Row = dict[str, Any]
DELETED = "_ab_cdc_deleted_at"
BY_PAGE = {
    "name": "by_page",
    "dimensions": ["date", "pagePath", "country"],
    "metrics": ["eventCount", "totalRevenue"],
}


class Clock:
    """Time that passes when the source waits, or when the test says so."""

    def __init__(self) -> None:
        self.moment = NOW
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[AnalyticsServer]:
    """A property with thirty days of events, to the 21st of June."""
    with serving(AnalyticsServer(events=events(30))) as double:
        assert isinstance(double, AnalyticsServer)
        yield double


def source(server: AnalyticsServer, clock: Clock, **settings: Any) -> GoogleAnalyticsSource:
    values = {
        "credentials": {"auth_type": "Service", "credentials_json": key_file(server)},
        "property_ids": [server.property_id],
        "base_url": f"{server.url}/v1beta",
        "start_date": "2024-06-10",
        "custom_reports": [BY_PAGE],
        "page_rows": 5,
        **settings,
    }
    config = parse_config(GoogleAnalyticsConfig, values)
    return GoogleAnalyticsSource(config, sleep=clock.sleep, now=clock.now)


def read(
    made: GoogleAnalyticsSource,
    name: str = "by_page",
    state: Mapping[str, Any] | None = None,
    mode: SyncMode = SyncMode.INCREMENTAL,
) -> tuple[list[Row], list[Mapping[str, Any]]]:
    stream = next(stream for stream in made.streams() if stream.name == name)
    rows: list[Row] = []
    states: list[Mapping[str, Any]] = []
    for item in stream.read(ReadRequest(mode=mode, state=state)):
        if isinstance(item, State):
            states.append(item.value)
        else:
            rows.extend(item)
    return rows, states


def own(report: Mapping[str, Any]) -> dict[str, Any]:
    return {"custom_reports": [{"name": "mine", **report}]}


def expected(server: AnalyticsServer, first: date) -> dict[tuple[str, str, str], int]:
    counts: dict[tuple[str, str, str], int] = {}
    for event in server.events:
        if event.at.date() >= first:
            key = (event.at.date().isoformat(), event.page, event.country)
            counts[key] = counts.get(key, 0) + 1
    return counts


def found(rows: list[Row]) -> dict[tuple[str, str, str], int]:
    alive: dict[tuple[str, str, str], int] = {}
    for row in rows:
        key = (row["date"], row["pagePath"], row["country"])
        alive.pop(key, None)
        if row[DELETED] is None:
            alive[key] = row["eventCount"]
    return alive


def test_every_row_of_every_page_arrives_once(server: AnalyticsServer, clock: Clock) -> None:
    rows, _ = read(source(server, clock))
    assert expected(server, date(2024, 6, 10)) == found(rows)
    assert len(rows) == len(found(rows))
    asked = [request.json() for request in server.asked if "runReport" in request.path][1:]
    assert {len(one["orderBys"]) for one in asked} == {3}
    # Each page begins with the last row of the one before.
    assert [(one["offset"], one["limit"]) for one in asked[:3]] == [
        ("0", "5"),
        ("4", "6"),
        ("9", "6"),
    ]


def test_days_are_the_propertys(server: AnalyticsServer, clock: Clock) -> None:
    rows, _ = read(source(server, clock))
    assert max(row["date"] for row in rows) == "2024-06-21"
    server.time_zone = "America/Los_Angeles"
    rows, _ = read(source(server, clock))
    assert max(row["date"] for row in rows) == "2024-06-20"


def test_metrics_are_numbers_and_dimensions_texts(server: AnalyticsServer, clock: Clock) -> None:
    server.events = [
        Event(at=datetime(2024, 6, 20, 9, 5), user="a", page="007", revenue=0.1),  # noqa: DTZ001
    ]
    report = {
        "dimensions": ["date", "dateHour", "dateHourMinute", "pagePath", "customEvent:plan"],
        "metrics": ["eventCount", "totalRevenue", "eventCountPerUser"],
    }
    made = source(server, clock, **own(report))
    (row,), _ = read(made, "mine")
    assert row == {
        "property_id": "123456789",
        "date": "2024-06-20",
        "dateHour": "2024-06-20T09:00:00",
        "dateHourMinute": "2024-06-20T09:05:00",
        "pagePath": "007",
        "customEvent:plan": "(not set)",
        "eventCount": 1,
        "totalRevenue": 0.1,
        "eventCountPerUser": 1.0,
        "ga_sampled": False,
        "ga_sample_share": None,
        "ga_other_row": False,
        "ga_thresholded": False,
        DELETED: None,
    }


@pytest.mark.parametrize(
    ("dimension", "first", "periods"),
    [
        ("yearWeek", "2023-12-27", ["2023-12-24", "2023-12-31", "2024-01-01", "2024-01-07"]),
        ("isoYearIsoWeek", "2023-12-27", ["2023-12-25", "2024-01-01", "2024-01-08"]),
        ("yearMonth", "2023-11-15", ["2023-11-01", "2023-12-01", "2024-01-01"]),
        ("year", "2022-05-05", ["2022-01-01", "2023-01-01", "2024-01-01"]),
    ],
)
def test_week_month_and_year_are_read_whole(
    server: AnalyticsServer, clock: Clock, dimension: str, first: str, periods: list[str]
) -> None:
    server.events = events(800, last=date(2024, 1, 12), a_day=3)
    report = {"dimensions": [dimension], "metrics": ["totalUsers", "eventCount"]}
    made = source(server, clock, start_date=first, end_date="2024-01-12", **own(report))
    rows, _ = read(made, "mine")
    assert periods == [row["start_date"] for row in rows]
    assert len({row[dimension] for row in rows}) == len(rows)
    for row in rows:
        inside = [
            event
            for event in server.events
            if row["start_date"] <= event.at.date().isoformat() <= row["end_date"]
        ]
        assert len({event.user for event in inside}) == row["totalUsers"]
        assert len(inside) == row["eventCount"]


def test_week_that_goes_on_is_read_again(server: AnalyticsServer, clock: Clock) -> None:
    report = {"dimensions": ["yearWeek"], "metrics": ["eventCount"]}
    rows, states = read(source(server, clock, **own(report)), "mine")
    assert [row["start_date"] for row in rows] == ["2024-06-09", "2024-06-16"]
    server.events += events(2, last=date(2024, 6, 23))
    clock.moment += timedelta(days=2)
    rows, _ = read(source(server, clock, **own(report)), "mine", states[-1])
    assert [(row["start_date"], row["eventCount"]) for row in rows] == [
        ("2024-06-16", 84),
        ("2024-06-23", 12),
    ]


def test_report_without_a_date_has_a_row_for_each_window(
    server: AnalyticsServer, clock: Clock
) -> None:
    report = {"dimensions": ["country"], "metrics": ["totalUsers"]}
    made = source(server, clock, window_days=7, **own(report))
    server.events += events(4, last=date(2024, 6, 25))
    rows, states = read(made, "mine")
    starts = sorted({(row["start_date"], row["end_date"]) for row in rows})
    assert starts == [("2024-06-10", "2024-06-16"), ("2024-06-17", "2024-06-21")]
    clock.moment += timedelta(days=4)
    rows, _ = read(made, "mine", states[-1])
    assert sorted({(row["start_date"], row["end_date"]) for row in rows}) == [
        ("2024-06-17", "2024-06-23"),
        ("2024-06-24", "2024-06-25"),
    ]


def test_days_that_google_still_works_at_are_read_again(
    server: AnalyticsServer, clock: Clock
) -> None:
    whole, states = read(source(server, clock))
    late = Event(at=datetime(2024, 6, 19, 4), user="late", page="/late")  # noqa: DTZ001
    server.events.append(late)
    clock.moment += timedelta(days=1)
    rows, later = read(source(server, clock), state=states[-1])
    assert min(row["date"] for row in rows) == "2024-06-18"
    assert expected(server, date(2024, 6, 10)) == found(whole + rows)
    # A week without a sync: what was not settled then is read, and all that came since.
    clock.moment += timedelta(days=7)
    rows, _ = read(source(server, clock), state=later[-1])
    assert expected(server, date(2024, 6, 19)) == found(rows)


@pytest.mark.parametrize("window_days", [1, 4])
def test_rows_that_google_takes_back_are_deleted(
    server: AnalyticsServer, clock: Clock, window_days: int
) -> None:
    whole, states = read(source(server, clock, window_days=window_days))
    kept = [event for event in server.events if event.at.date() != date(2024, 6, 20)]
    server.events = kept[:-1]
    rows, later = read(source(server, clock, window_days=window_days), state=states[-1])
    gone = [row for row in rows if row[DELETED]]
    assert {row["date"] for row in gone} == {"2024-06-20"}
    assert {row["property_id"] for row in gone} == {server.property_id}
    assert expected(server, date(2024, 6, 10)) == found(whole + rows)
    again, _ = read(source(server, clock, window_days=window_days), state=later[-1])
    assert not [row for row in again if row[DELETED]]


def test_report_that_changes_while_it_is_read_is_read_again(
    server: AnalyticsServer, clock: Clock
) -> None:
    reports = [0]

    def meddle() -> None:
        reports[0] += 1
        if reports[0] == 4:
            new = Event(at=datetime(2024, 6, 10, 1), user="new", page="/a")  # noqa: DTZ001
            server.events.append(new)

    server.before_report = meddle
    rows, _ = read(source(server, clock))
    assert expected(server, date(2024, 6, 10)) == found(rows)
    assert len(rows) == len(found(rows))


def test_row_gone_and_row_come_between_pages_hide_no_other(
    server: AnalyticsServer, clock: Clock
) -> None:
    reports = [0]

    def meddle() -> None:
        reports[0] += 1
        if reports[0] == 3:  # the second page of the first day
            day = [event for event in server.events if event.at.date() == date(2024, 6, 10)]
            first = min(day, key=lambda event: (event.page, event.country))
            server.events.remove(first)
            server.events.append(replace(first, page="/zzz"))

    server.before_report = meddle
    rows, _ = read(source(server, clock))
    assert expected(server, date(2024, 6, 10)) == found(rows)


def test_report_that_never_rests_is_said_to_be_so(server: AnalyticsServer, clock: Clock) -> None:
    def meddle() -> None:
        new = Event(at=datetime(2024, 6, 10, 1), user="n", page=f"/{len(server.asked)}")  # noqa: DTZ001
        server.events.append(new)

    server.before_report = meddle
    with pytest.raises(TransientError, match="changed each of the 5 times"):
        read(source(server, clock))


@pytest.mark.parametrize("fault", [*FAULTS, "again"])
def test_fault_on_any_page_loses_nothing(server: AnalyticsServer, clock: Clock, fault: str) -> None:
    server.faults.extend([None, None, fault, None, fault])
    rows, _ = read(source(server, clock))
    assert expected(server, date(2024, 6, 10)) == found(rows)
    assert len(rows) == len(found(rows))


def test_token_that_ends_in_between_is_renewed(server: AnalyticsServer, clock: Clock) -> None:
    def expire() -> None:
        if len(server.asked) in (9, 15):
            server.token = "ended"

    server.after_page = expire
    rows, _ = read(source(server, clock))
    assert expected(server, date(2024, 6, 10)) == found(rows)
    assert server.tokens_given == 3


def test_refresh_token_of_an_app_logs_in(server: AnalyticsServer, clock: Clock) -> None:
    app = {
        "auth_type": "Client",
        "client_id": "app",
        "client_secret": "canary-client",
        "refresh_token": "canary-refresh",
    }
    login = {"credentials": app, "login_url": f"{server.url}/token"}
    made = source(server, clock, **login)
    made.check()
    assert len(read(made)[0]) > 0
    server.refresh_token = "another"
    with pytest.raises(AccessDenied, match="does not accept the credentials any more") as caught:
        source(server, clock, **login).check()
    assert "seven days" in caught.value.remedy


def test_quota_of_the_hour_is_waited_for(server: AnalyticsServer, clock: Clock) -> None:
    server.hour_tokens = 9
    clock.moment = NOW.replace(minute=55)

    def refill() -> None:
        if clock.moment.hour > NOW.hour:
            server.hour_tokens = max(server.hour_tokens, 1000)

    server.before_report = refill
    rows, _ = read(source(server, clock))
    assert expected(server, date(2024, 6, 10)) == found(rows)
    assert clock.waits == [300.0]
    assert not [answer for answer in server.asked if answer.path == "429"]


def test_quota_that_is_long_in_coming_stops_the_sync_with_its_state(
    server: AnalyticsServer, clock: Clock
) -> None:
    server.hour_tokens = 9
    made = source(server, clock)
    stream = made.streams()[-1]
    rows: list[Row] = []
    states: list[Mapping[str, Any]] = []

    def collect(state: Mapping[str, Any] | None) -> None:
        for item in stream.read(ReadRequest(mode=SyncMode.INCREMENTAL, state=state)):
            if isinstance(item, State):
                states.append(item.value)
            else:
                rows.extend(item)

    with pytest.raises(ResourceExhausted, match="quota of this hour"):
        collect(None)
    assert server.hour_tokens == 0
    assert clock.waits == []
    server.hour_tokens = 1000
    clock.moment += timedelta(hours=1)
    collect(states[-1])
    assert expected(server, date(2024, 6, 10)) == found(rows)
    assert len(rows) == len(found(rows))


@pytest.mark.parametrize(
    ("words", "error", "wait"),
    [
        ("Exhausted property tokens per day.", ResourceExhausted, None),
        ("Exhausted property tokens per hour.", ResourceExhausted, None),
        ("Exhausted concurrent requests quota.", TransientError, 5.0),
    ],
    ids=["day", "hour", "concurrent"],
)
def test_refusal_says_which_quota_is_used_up(
    server: AnalyticsServer,
    clock: Clock,
    words: str,
    error: type[PenstockError],
    wait: float | None,
) -> None:
    made = source(server, clock)
    stream = made.streams()[-1]
    refusal = server.refused(429, "RESOURCE_EXHAUSTED", words)
    server._report = lambda asked: refusal  # type: ignore[method-assign]
    with pytest.raises(error) as caught:
        list(stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH)))
    assert words.rstrip(".") in caught.value.message
    assert [each for each in clock.waits if wait and each < wait] == []
    assert bool(clock.waits) == (wait is not None)


def test_how_far_figures_can_be_trusted_stands_in_each_row(
    server: AnalyticsServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server.is_sampled, server.is_thresholded, server.other_after = True, True, 2
    report = {"dimensions": ["date", "eventName"], "metrics": ["totalUsers"]}
    rows, _ = read(source(server, clock, end_date="2024-06-10", **own(report)), "mine")
    assert {
        (r["ga_sampled"], r["ga_sample_share"], r["ga_other_row"], r["ga_thresholded"])
        for r in rows
    } == {(True, 0.25, True, True)}
    for words in ("made of a sample", "thresholds", "(other)"):
        assert words in caplog.text


def test_presets_are_those_whose_fields_the_property_has(
    server: AnalyticsServer, clock: Clock
) -> None:
    names = [stream.name for stream in source(server, clock).streams()]
    assert names == [
        "daily_active_users",
        "weekly_active_users",
        "events_report",
        "weekly_events_report",
        "monthly_events_report",
        "by_page",
    ]


def test_filter_narrows_a_report(server: AnalyticsServer, clock: Clock) -> None:
    wanted = {"filter": {"fieldName": "country", "stringFilter": {"value": "नेपाल"}}}
    made = source(server, clock, custom_reports=[{**BY_PAGE, "dimensionFilter": wanted}])
    rows, _ = read(made)
    assert {row["country"] for row in rows} == {"नेपाल"}


def test_settings_of_airbytes_connector_are_read(server: AnalyticsServer, clock: Clock) -> None:
    made = source(server, clock)
    config = {
        "credentials": {"auth_type": "Service", "credentials_json": key_file(server)},
        "property_ids": [server.property_id],
        "date_ranges_start_date": "2024-06-10",
        "date_ranges_end_date": "2024-06-12",
        "window_in_days": 2,
        "lookback_window": 2,
        "keep_empty_rows": False,
        "convert_conversions_event": False,
        "custom_reports_array": [BY_PAGE],
        "base_url": f"{server.url}/v1beta",
    }
    made = GoogleAnalyticsSource(parse_config(GoogleAnalyticsConfig, config), now=clock.now)
    made.check()
    rows, _ = read(made)
    assert {row["date"] for row in rows} == {"2024-06-10", "2024-06-11", "2024-06-12"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"property_ids": ["2"]}, "property 2"),
        (own({"dimensions": ["moon"], "metrics": ["sessions"]}), "has no moon"),
        (
            own({"dimensions": ["customEvent:plan"], "metrics": ["active7DayUsers"]}),
            "Please remove active7DayUsers, customEvent:plan",
        ),
    ],
    ids=["property", "field", "incompatible"],
)
def test_check_says_what_is_wrong_in_one_sentence(
    server: AnalyticsServer, clock: Clock, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        source(server, clock, **settings).check()
    assert words in caught.value.message
    assert caught.value.context["field"] in ("property_ids", "custom_reports")


def test_api_that_is_off_is_to_be_turned_on(server: AnalyticsServer, clock: Clock) -> None:
    words = "Google Analytics Data API has not been used in project 12 before or it is disabled."
    refusal = server.refused(403, "PERMISSION_DENIED", words)
    server._report = lambda asked: refusal  # type: ignore[method-assign]
    with pytest.raises(AccessDenied) as caught:
        source(server, clock).check()
    assert "Library" in caught.value.remedy


def test_report_of_fields_that_do_not_go_together_is_refused_when_read(
    server: AnalyticsServer, clock: Clock
) -> None:
    report = {"dimensions": ["date", "customEvent:plan"], "metrics": ["active7DayUsers"]}
    with pytest.raises(ConfigError, match="Please remove active7DayUsers"):
        read(source(server, clock, **own(report)), "mine")


def test_check_accepts_fields_that_go_together(server: AnalyticsServer, clock: Clock) -> None:
    server.incompatible = frozenset({"customEvent:plan", "sessions"})
    report = {"dimensions": ["date", "customEvent:plan"], "metrics": ["active7DayUsers"]}
    source(server, clock, **own(report)).check()


def test_key_that_google_refuses_is_not_shown(
    server: AnalyticsServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    login = type(server)._login
    server._login = (  # type: ignore[method-assign]
        lambda form: replace(
            login(server, form),
            status=400,
            body={"error": "invalid_grant", "error_description": key_file(server)},
        )
    )
    secret = key_file(server).split("\\n")[1]
    with caplog.at_level(logging.DEBUG), pytest.raises(AccessDenied) as caught:
        source(server, clock).check()
    assert secret not in f"{caught.value}{caught.value.context}{caplog.text}"
