"""Where a REST stream goes on: numbers, dates, windows side by side, full refreshes cut short."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from penstock.data.types import Kind
from penstock.errors import ConfigError, DataError, PenstockError, TransientError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.rest import (
    Incremental,
    IncrementalNumber,
    Keyset,
    LinkHeader,
    NextToken,
    NextUrl,
    Offset,
    PageNumber,
    RateLimiter,
    RestClient,
    RestStream,
    Retry,
    TokenAuth,
    api_key,
    bearer,
    client_credentials,
)
from penstock.sdk.stream import ReadRequest, State
from tests.doubles.rest_api import RestApi, rows_of, serving

NOW = datetime(2024, 1, 1, 0, 0, 40, tzinfo=UTC)
COLUMNS = {"id": Kind.INTEGER, "name": Kind.STRING, "updated_at": Kind.TIMESTAMP_TZ}
Row = dict[str, Any]


@pytest.fixture
def api() -> Iterator[RestApi]:
    with serving(RestApi(rows=rows_of(35))) as served:
        yield served


def client(api: RestApi, **settings: Any) -> RestClient:
    defaults: dict[str, Any] = {
        "auth": bearer(api.token),
        "sleep": lambda _: None,
        "now": lambda: NOW,
        "retry": Retry(draw=lambda: 0.5),
    }
    return RestClient(api.url, **(defaults | settings))


def stream(api: RestApi, path: str, **settings: Any) -> RestStream:
    defaults: dict[str, Any] = {
        "client": settings.pop("client", None) or client(api),
        "name": "people",
        "path": path,
        "records": "items",
        "key": ("id",),
        "columns": COLUMNS,
    }
    return RestStream(**(defaults | settings))


def windows(**settings: Any) -> Incremental:
    defaults: dict[str, Any] = {
        "field": "updated_at",
        "since": "since",
        "until": "until",
        "start": datetime(2024, 1, 1, tzinfo=UTC),
        "step": timedelta(seconds=7),
    }
    return Incremental(**(defaults | settings))


KEYSET = Keyset(param="since", by="updated_at", size=10, size_param="size", page_param="page")


def read(
    stream: RestStream, mode: SyncMode, state: Mapping[str, Any] | None = None
) -> tuple[list[Row], list[tuple[int, Mapping[str, Any]]]]:
    """Returns the rows, and each state with how many rows it covers."""
    found: list[Row] = []
    states = []
    for item in stream.read(ReadRequest(mode=mode, state=state)):
        if isinstance(item, State):
            states.append((len(found), json.loads(json.dumps(dict(item.value)))))
        else:
            found.extend(item)
    return found, states


def whole(
    stream: RestStream, state: Mapping[str, Any] | None = None
) -> tuple[list[Row], list[tuple[int, Mapping[str, Any]]]]:
    return read(stream, SyncMode.FULL_REFRESH, state)


def asked(api: RestApi, name: str) -> list[str | None]:
    queries = [parse_qs(urlsplit(path).query) for path in api.asked]
    return [query.get(name, [None])[0] for query in queries]


RESUMABLE = {
    "page": ("page", "items", PageNumber(size_param="size", size=10)),
    "page-total": ("page", "items", PageNumber(size_param="size", size=10, total="pages")),
    "offset": ("offset", "items", Offset(limit=10)),
    "token": ("token", "data.items", NextToken(param="from", token="data.next")),
    "link": ("link", "", LinkHeader()),
    "next-url": ("next", "items", NextUrl()),
    "keyset": ("keyset", "items", KEYSET),
}


@pytest.mark.parametrize("way", RESUMABLE.values(), ids=RESUMABLE.keys())
def test_full_refresh_goes_on_with_exactly_the_rows_after_each_state(
    api: RestApi, way: Any
) -> None:
    path, records, paginate = way
    people = stream(api, path, records=records, paginate=paginate, is_resumable=True)
    found, states = whole(people)
    assert found == api.rows
    assert len(states) >= 3
    for covered, state in states:
        assert whole(people, state)[0] == api.rows[covered:]


def test_full_refresh_goes_on_within_many_rows_of_one_instant(api: RestApi) -> None:
    for row in api.rows[5:12]:
        row["updated_at"] = api.rows[5]["updated_at"]
    people = stream(api, "keyset", paginate=KEYSET, is_resumable=True)
    found, states = whole(people)
    assert Counter(row["id"] for row in api.rows) == Counter(row["id"] for row in found)
    for covered, state in states:
        assert whole(people, state)[0] == found[covered:]


@pytest.mark.parametrize("threads", [1, 3])
def test_full_refresh_by_windows_goes_on_in_the_window_it_was_in(
    api: RestApi, threads: int
) -> None:
    small = Keyset(param="since", by="updated_at", size=3, size_param="size")
    people = stream(
        api,
        "keyset",
        paginate=small,
        incremental=windows(),
        is_resumable=True,
        threads=threads,
    )
    found, states = whole(people)
    assert found == api.rows
    assert len({state["window"]["since"] for _, state in states}) == 5
    for covered, state in states:
        assert whole(people, state)[0] == api.rows[covered:]


def test_stream_that_is_not_resumable_yields_no_state_in_a_full_refresh(api: RestApi) -> None:
    people = stream(api, "keyset", paginate=KEYSET, incremental=windows())
    assert whole(people) == (api.rows, [])


def test_address_with_a_key_in_it_becomes_no_state(api: RestApi) -> None:
    auth = api_key("canary-key", query="key")
    with pytest.raises(PenstockError):
        whole(stream(api, "next", client=client(api, auth=auth)))
    people = stream(
        api,
        "next",
        client=client(api, secrets=frozenset({"canary-inside"})),
        params={"hint": "canary-inside"},
        paginate=NextUrl(),
        is_resumable=True,
    )
    found, states = whole(people)
    assert found == api.rows
    assert states == []


def test_children_are_not_resumable(api: RestApi) -> None:
    with pytest.raises(ValueError, match="not resumable"):
        stream(api, "kids/{id}", parent=stream(api, "page"), is_resumable=True)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_windows_side_by_side_keep_their_rows_and_states_in_order(
    api: RestApi, threads: int
) -> None:
    people = stream(api, "keyset", paginate=KEYSET, incremental=windows(), threads=threads)
    found, states = read(people, SyncMode.INCREMENTAL)
    assert found == api.rows
    cursors = [state["cursor"] for _, state in states]
    assert cursors == sorted(cursors)
    for covered, state in states:
        at = datetime.fromisoformat(state["cursor"])
        before = [row for row in api.rows if datetime.fromisoformat(row["updated_at"]) < at]
        assert covered == len(before)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("fault", ["429:0.1", "500", "html", "truncated", "reset"])
def test_windows_lose_and_double_nothing_when_faults_pass(
    api: RestApi, fault: str, threads: int
) -> None:
    api.faults.extend([fault, None, fault, fault, None, None, fault])
    people = stream(api, "keyset", paginate=KEYSET, incremental=windows(), threads=threads)
    assert read(people, SyncMode.INCREMENTAL)[0] == api.rows


def test_window_that_fails_leaves_the_states_of_those_before(api: RestApi) -> None:
    api.faults.extend([*[None] * 7, "400"])
    people = stream(api, "keyset", paginate=KEYSET, incremental=windows())
    states = []
    with pytest.raises(DataError, match="answered 400"):
        states.extend(
            item
            for item in people.read(ReadRequest(mode=SyncMode.INCREMENTAL))
            if isinstance(item, State)
        )
    assert [state.value["cursor"][17:19] for state in states] == ["07", "14"]


def test_children_of_all_windows_of_the_parent_are_read(api: RestApi) -> None:
    parent = stream(api, "keyset", paginate=KEYSET, incremental=windows())
    kids = stream(
        api,
        "kids/{id}",
        records="",
        parent=parent,
        carry={"parent": "id"},
        key=("parent", "id"),
        columns={"parent": Kind.INTEGER, "id": Kind.INTEGER},
    )
    found, _ = whole(kids)
    assert [row["parent"] for row in found[::3]] == [row["id"] for row in api.rows]


def test_dates_that_count_whole_are_asked_for_once_each(api: RestApi) -> None:
    days = windows(
        start=datetime(2023, 12, 20, tzinfo=UTC),
        step=timedelta(days=5),
        until_includes=timedelta(days=1),
        write=lambda moment: moment.date().isoformat(),
    )
    whole(stream(api, "page", paginate=PageNumber(), incremental=days))
    asked_for = sorted(set(zip(asked(api, "since"), asked(api, "until"), strict=True)))
    assert asked_for == [
        ("2023-12-20", "2023-12-24"),
        ("2023-12-25", "2023-12-29"),
        ("2023-12-30", "2024-01-01"),
    ]
    covered = [
        day
        for since, until in asked_for
        for day in _days(date.fromisoformat(str(since)), date.fromisoformat(str(until)))
    ]
    assert covered == _days(date(2023, 12, 20), date(2024, 1, 1))


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def numbered(api: RestApi, **settings: Any) -> RestStream:
    number = IncrementalNumber(field="id", since="since", is_sorted=True, **settings)
    paginate = Keyset(param="since", by="id", size=10, size_param="size")
    return stream(api, "ids", paginate=paginate, incremental=number)


def test_integer_beyond_doubles_is_a_cursor(api: RestApi) -> None:
    found, states = read(numbered(api), SyncMode.INCREMENTAL)
    assert found == api.rows
    assert states[-1] == (35, {"cursor": 9007199254740993 + 34})
    for covered, state in states:
        assert read(numbered(api), SyncMode.INCREMENTAL, state)[0] == api.rows[covered:]


def test_look_back_of_numbers_reads_late_ones(api: RestApi) -> None:
    _, states = read(numbered(api), SyncMode.INCREMENTAL)
    late, after = read(numbered(api, lookback=3), SyncMode.INCREMENTAL, states[-1][1])
    assert late == api.rows[-3:]
    assert after[-1][1] == states[-1][1]


def test_number_written_as_text_is_read_and_anything_else_told(api: RestApi) -> None:
    number = IncrementalNumber(field="version", since="since", start=0)
    for place, row in enumerate(api.rows):
        row["version"] = str(place)
    people = stream(api, "page", paginate=PageNumber(), incremental=number)
    assert read(people, SyncMode.INCREMENTAL)[1][-1][1] == {"cursor": 34}
    assert asked(api, "since")[0] == "0"
    api.rows[3]["version"] = 1.5
    with pytest.raises(DataError, match=r"version of a record is no integer: 1\.5"):
        read(people, SyncMode.INCREMENTAL)


@pytest.mark.parametrize("state", [{"cursor": "7"}, {"cursor": True}, {}])
def test_state_that_holds_no_number_is_refused(api: RestApi, state: Row) -> None:
    with pytest.raises(ConfigError, match="not one of this stream"):
        read(numbered(api), SyncMode.INCREMENTAL, state)


@pytest.mark.parametrize("state", [{"window": {}}, {"window": {"since": "x", "until": "y"}}])
def test_mark_of_another_stream_is_refused(api: RestApi, state: Row) -> None:
    people = stream(api, "keyset", paginate=KEYSET, incremental=windows(), is_resumable=True)
    with pytest.raises(ConfigError, match="not one of this stream"):
        whole(people, state)


def test_dear_requests_take_more_of_the_pace(api: RestApi) -> None:
    moment = [0.0]

    def sleep(seconds: float) -> None:
        moment[0] += seconds

    limiter = RateLimiter(per_second=10, burst=1, clock=lambda: moment[0], sleep=sleep)
    dear = client(api, limiter=limiter)
    whole(stream(api, "page", client=dear, paginate=PageNumber(), cost=10))
    assert moment[0] == pytest.approx(len(api.asked) - 1)


def test_login_waits_as_long_as_it_is_told() -> None:
    slept: list[float] = []
    with serving(RestApi(login_faults=["429:7"], rows=rows_of(3))) as api:
        grant = client_credentials(f"{api.url}/token", client_id="me", client_secret="s3cret")
        signed = client(api, auth=TokenAuth(grant), sleep=slept.append)
        found, _ = whole(stream(api, "page", client=signed, paginate=PageNumber()))
        assert found == api.rows
    assert slept == [pytest.approx(7.35)]


def test_login_that_stays_busy_says_so() -> None:
    with serving(RestApi(login_faults=["429"] * 20)) as api:
        grant = client_credentials(f"{api.url}/token", client_id="me", client_secret="s3cret")
        with pytest.raises(TransientError, match="answered 429"):
            whole(stream(api, "page", client=client(api, auth=TokenAuth(grant))))
