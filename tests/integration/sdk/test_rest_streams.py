"""REST streams against a stateful API: whatever it does, nothing is lost and nothing leaks."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.data.types import Kind
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    DataError,
    PenstockError,
    TransientError,
)
from penstock.protocol.catalog import SyncMode
from penstock.sdk.rest import (
    Incremental,
    Keyset,
    LinkHeader,
    NextToken,
    NextUrl,
    Offset,
    PageNumber,
    RateLimiter,
    RefreshToken,
    RestClient,
    RestStream,
    Retry,
    SinglePage,
    TokenAuth,
    api_key,
    basic,
    bearer,
    client_credentials,
    keycloak_password,
)
from penstock.sdk.rest.paginate import Turn
from penstock.sdk.stream import ReadRequest, State
from tests.doubles.rest_api import RestApi, rows_of, serving

NOW = datetime(2024, 1, 1, 1, tzinfo=UTC)
COLUMNS = {
    "id": Kind.INTEGER,
    "name": Kind.STRING,
    "amount": Kind.STRING,
    "updated_at": Kind.TIMESTAMP_TZ,
    "voided": Kind.BOOLEAN,
}
FULL = ReadRequest(mode=SyncMode.FULL_REFRESH)


@pytest.fixture
def api() -> Iterator[RestApi]:
    with serving(RestApi(rows=rows_of(35))) as served:
        yield served


class Sleeps(list[float]):
    """Takes the place of time.sleep, and remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def client(api: RestApi, **settings: Any) -> RestClient:
    defaults: dict[str, Any] = {
        "auth": bearer(api.token),
        "sleep": Sleeps(),
        "now": lambda: NOW,
        "retry": Retry(draw=lambda: 0.5),
    }
    return RestClient(api.url, **(defaults | settings))


def stream(api: RestApi, path: str = "page", **settings: Any) -> RestStream:
    defaults: dict[str, Any] = {
        "client": settings.pop("client", None) or client(api),
        "name": "people",
        "path": path,
        "records": "items",
        "key": ("id",),
        "columns": COLUMNS,
        "paginate": PageNumber(size_param="size", size=10),
    }
    return RestStream(**(defaults | settings))


def keyset(api: RestApi, **settings: Any) -> RestStream:
    defaults: dict[str, Any] = {
        "paginate": Keyset(
            param="since", by="updated_at", size=10, size_param="size", page_param="page"
        ),
        "incremental": Incremental(field="updated_at", since="since", is_sorted=True),
    }
    return stream(api, "keyset", **(defaults | settings))


def rows(stream: RestStream, request: ReadRequest = FULL) -> list[dict[str, Any]]:
    return [row for item in stream.read(request) if not isinstance(item, State) for row in item]


def incremental(stream: RestStream, state: Any = None) -> tuple[list[dict[str, Any]], list[Any]]:
    found, states = [], []
    for item in stream.read(ReadRequest(mode=SyncMode.INCREMENTAL, state=state)):
        if isinstance(item, State):
            states.append(item.value)
        else:
            found.extend(item)
    return found, states


PAGINATORS = {
    "page": ("page", "items", PageNumber(size_param="size", size=10)),
    "page-total": ("page", "items", PageNumber(size_param="size", size=10, total="pages")),
    "offset": ("offset", "items", Offset(limit=10)),
    "offset-capped-by-the-server": ("offset", "items", Offset(limit=1000, total="total")),
    "token": ("token", "data.items", NextToken(param="from", token="data.next")),
    "link": ("link", "", LinkHeader()),
    "next-url": ("next", "items", NextUrl()),
    "keyset": ("keyset", "items", Keyset(param="since", by="updated_at", size=10)),
}
FAULTS = ("429", "429:0.25", "429:Mon, 01 Jan 2024 01:00:07 GMT", "500", "html", "html200")
FAULTS += ("truncated", "reset")


@pytest.mark.parametrize("way", PAGINATORS.values(), ids=PAGINATORS.keys())
@pytest.mark.parametrize("count", [0, 1, 10, 35])
def test_every_way_of_paging_reads_each_row_once(api: RestApi, way: Any, count: int) -> None:
    path, records, paginate = way
    api.rows = rows_of(count)
    found = rows(stream(api, path, records=records, paginate=paginate))
    assert api.rows == found


@pytest.mark.parametrize("way", PAGINATORS.values(), ids=PAGINATORS.keys())
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_that_pass_lose_and_double_nothing(api: RestApi, way: Any, fault: str) -> None:
    path, records, paginate = way
    api.faults.extend([fault, None, fault, fault, None])
    found = rows(stream(api, path, records=records, paginate=paginate))
    assert api.rows == found


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ("429:2", 2.5),
        ("429:0.25", 0.2625),
        ("429:Mon, 01 Jan 2024 01:00:07 GMT", 7.35),
        ("429", 0.5),
        ("429:soon", 0.5),
    ],
)
def test_wait_is_the_one_asked_for_else_grows(api: RestApi, fault: str, seconds: float) -> None:
    sleeps = Sleeps()
    api.faults.append(fault)
    rows(stream(api, client=client(api, sleep=sleeps)))
    expected = 2.1 if fault == "429:2" else seconds
    assert [pytest.approx(expected)] == sleeps


def test_waits_double_and_end_in_the_error(api: RestApi) -> None:
    sleeps = Sleeps()
    api.faults.extend(["500"] * 10)
    with pytest.raises(TransientError, match="answered 500"):
        rows(stream(api, client=client(api, sleep=sleeps)))
    assert sleeps == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_wait_beyond_patience_is_handed_on(api: RestApi) -> None:
    sleeps = Sleeps()
    api.faults.append("429:3600")
    with pytest.raises(TransientError) as caught:
        rows(stream(api, client=client(api, sleep=sleeps)))
    assert caught.value.wait_seconds == 3600
    assert sleeps == []


def test_rules_of_a_vendor_override_what_is_usual(api: RestApi) -> None:
    api.faults.append("404")
    patient = Retry(rules={404: True}, draw=lambda: 0.0)
    assert api.rows == rows(stream(api, client=client(api, retry=patient)))


@pytest.mark.parametrize(
    ("fault", "kind"), [("403", AccessDenied), ("404", ConfigError), ("400", DataError)]
)
def test_refusals_are_told_at_once_without_secrets(
    api: RestApi, fault: str, kind: type[PenstockError]
) -> None:
    api.faults.extend([None, fault])
    with pytest.raises(kind) as caught:
        rows(stream(api))
    assert api.token not in str(caught.value.as_document())
    assert caught.value.context["stream"] == "people"
    assert len(api.asked) == 2


def test_wrong_token_is_access_denied(api: RestApi) -> None:
    with pytest.raises(AccessDenied, match="401"):
        rows(stream(api, client=client(api, auth=bearer("canary-wrong"))))


def test_unreachable_host_is_connection_failed(api: RestApi) -> None:
    away = RestClient("http://127.0.0.1:9", retry=Retry(attempts=2), sleep=Sleeps())
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9"):
        rows(stream(api, client=away))


def test_missing_records_are_an_error_and_not_an_empty_page(api: RestApi) -> None:
    with pytest.raises(DataError, match="no records at rows"):
        rows(stream(api, records="rows"))


def test_null_for_a_list_is_no_rows(api: RestApi) -> None:
    api.faults.append("null")
    assert rows(stream(api)) == []


def test_page_given_twice_is_asked_for_again(api: RestApi) -> None:
    api.faults.extend([None, "again"])
    assert api.rows == rows(stream(api))


def test_api_that_ignores_the_page_number_is_an_error(api: RestApi) -> None:
    api.faults.extend([None, *["again"] * 20])
    with pytest.raises(TransientError, match="same page twice"):
        rows(stream(api))


def test_repeated_token_is_detected(api: RestApi) -> None:
    circle = stream(api, "token", records="data.items", paginate=_Circle())
    with pytest.raises(DataError, match="circle"):
        rows(circle)


class _Circle(SinglePage):
    def next(self, turn: Any, page: Any) -> Any:
        return NextToken(param="from", token="x").first() if turn.params else _turn(10)


def _turn(start: int) -> Any:
    return Turn(params={"from": start})


def test_empty_page_with_a_next_link_is_not_the_end(api: RestApi) -> None:
    api.faults.extend([None, "empty"])
    found = rows(stream(api, "next", paginate=NextUrl()))
    assert [*api.rows[:10], *api.rows[20:]] == found


def test_next_link_to_another_host_gets_no_credentials(api: RestApi) -> None:
    api.faults.append("elsewhere")
    with pytest.raises(DataError, match=r"another host: https://evil\.example"):
        rows(stream(api, "next", paginate=NextUrl()))


def test_token_that_ends_in_mid_stream_is_renewed(api: RestApi) -> None:
    grant = client_credentials(f"{api.url}/token", client_id="me", client_secret="s3cret")
    api.faults.extend([None, "expiry", None, "expiry"])
    found = rows(stream(api, client=client(api, auth=TokenAuth(grant))))
    assert api.rows == found
    assert api.tokens_given == 3


def test_expiry_told_by_500_is_renewed_where_the_vendor_does_so(api: RestApi) -> None:
    api.refuses_with = 500
    grant = keycloak_password(api.url, realm="r", client_id="c", user="u", password="pass-w")
    auth = TokenAuth(grant, is_refusal=lambda status, body, age: b"TokenExpired" in body)
    api.faults.extend([None, "expiry"])
    sleeps = Sleeps()
    assert api.rows == rows(stream(api, client=client(api, auth=auth, sleep=sleeps)))
    assert sleeps == []


def test_single_use_refresh_token_is_kept_before_it_is_used(api: RestApi) -> None:
    kept: list[str] = []
    source = RefreshToken(
        f"{api.url}/token", refresh_token=api.refresh_token, client_id="c", keep=kept.append
    )
    api.faults.extend([None, "expiry"])
    assert api.rows == rows(stream(api, client=client(api, auth=TokenAuth(source))))
    assert kept == ["canary-refresh-2", "canary-refresh-3"]
    assert kept[-1] == api.refresh_token


def test_refused_login_does_not_show_the_secret(api: RestApi) -> None:
    grant = client_credentials(f"{api.url}/token", client_id="me", client_secret="wrong-secret")
    with pytest.raises(AccessDenied, match="invalid_client") as caught:
        rows(stream(api, client=client(api, auth=TokenAuth(grant))))
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (api_key("k-1", header="X-Key"), "X-Key", "k-1"),
        (basic("Ann", "p:ß"), "Authorization", "Basic QW5uOnA6w58="),
    ],
)
def test_fixed_credentials_stand_where_they_belong(
    api: RestApi, auth: Any, header: str, value: str
) -> None:
    with pytest.raises(AccessDenied):
        rows(stream(api, client=client(api, auth=auth)))
    assert value == api.headers[0][header]


def test_key_in_the_query_never_shows(api: RestApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    auth = api_key("canary-key", query="key")
    with pytest.raises(AccessDenied) as caught:
        rows(stream(api, client=client(api, auth=auth)))
    assert "key=canary-key" in api.asked[0]
    assert "canary-key" not in str(caught.value.as_document())
    assert "canary" not in caplog.text
    assert "canary-key" not in repr(auth)


def test_one_connection_serves_a_whole_stream(api: RestApi) -> None:
    rows(stream(api))
    assert api.connections == 1


def test_body_beyond_the_limit_is_refused(api: RestApi) -> None:
    with pytest.raises(DataError, match="larger than 100 bytes"):
        rows(stream(api, client=client(api, max_body_bytes=100)))


def test_ids_beyond_doubles_and_nulls_are_exact(api: RestApi) -> None:
    found = rows(stream(api))
    assert found[0]["id"] == 9007199254740993
    assert None is found[0]["name"]


def test_row_edited_between_pages_moves_no_other_row_away(api: RestApi) -> None:
    def edit(changed: RestApi) -> None:
        early = changed.rows[2]
        if early["updated_at"] < "2024-01-01T00:30":
            early["updated_at"] = "2024-01-01T00:30:00.000Z"

    before = {row["id"] for row in api.rows}
    api.after_page = edit
    found = rows(keyset(api))
    assert before == {row["id"] for row in found}
    twice = [key for key, count in Counter(row["id"] for row in found).items() if count > 1]
    assert [api.rows[2]["id"]] == twice


@pytest.mark.parametrize("shared", [9, 10, 11, 35])
def test_many_rows_with_one_instant_are_all_read(api: RestApi, shared: int) -> None:
    for row in api.rows[:shared]:
        row["updated_at"] = "2024-01-01T00:00:00.000Z"
    ids = Counter(row["id"] for row in api.rows)
    assert ids == Counter(row["id"] for row in rows(keyset(api)))


def test_row_edited_among_many_with_one_instant_hides_no_other(api: RestApi) -> None:
    for row in api.rows:
        row["updated_at"] = "2024-01-01T00:00:00.000Z"
    before = {row["id"] for row in api.rows}
    edits = [None, 2, None, 4]

    def edit(changed: RestApi) -> None:
        row = edits.pop(0) if edits else None
        if row is not None:
            changed.rows[row]["updated_at"] = "2024-01-01T00:30:00.000Z"

    api.after_page = edit
    assert before == {row["id"] for row in rows(keyset(api))}


def test_keyset_without_page_numbers_says_when_it_cannot_go_on(api: RestApi) -> None:
    for row in api.rows:
        row["updated_at"] = "2024-01-01T00:00:00.000Z"
    paginate = Keyset(param="since", by="updated_at", size=10, size_param="size")
    with pytest.raises(DataError, match="More records share one updated_at"):
        rows(keyset(api, paginate=paginate))


def test_every_state_continues_with_the_rows_after_it(api: RestApi) -> None:
    found, states = incremental(keyset(api))
    assert len(api.rows) == len(found)
    assert len(states) >= 4
    for state in states:
        rest, _ = incremental(keyset(api), state)
        reached = state["cursor"][:19]
        assert {row["id"] for row in api.rows if row["updated_at"][:19] >= reached} == {
            row["id"] for row in rest
        }


def test_second_sync_reads_what_changed_and_the_look_back(api: RestApi) -> None:
    look_back = Incremental(
        field="updated_at", since="since", is_sorted=True, lookback=timedelta(seconds=2)
    )
    _, states = incremental(keyset(api, incremental=look_back))
    api.rows[0]["updated_at"] = "2024-01-01T00:50:00.000Z"
    found, after = incremental(keyset(api, incremental=look_back), states[-1])
    expected = {row["id"] for row in [api.rows[0], *api.rows[32:]]}
    assert expected == {row["id"] for row in found}
    assert after[-1] == {"cursor": "2024-01-01T00:50:00.000000Z"}


def test_state_never_passes_the_frozen_end(api: RestApi) -> None:
    api.rows[-1]["updated_at"] = "2030-01-01T00:00:00.000Z"
    _, states = incremental(keyset(api))
    assert states[-1] == {"cursor": "2024-01-01T01:00:00.000000Z"}


def test_windows_are_checkpoints_in_order_and_cover_everything(api: RestApi) -> None:
    windows = Incremental(
        field="updated_at",
        since="since",
        until="until",
        start=datetime(2024, 1, 1, tzinfo=UTC),
        step=timedelta(minutes=17),
    )
    found, states = incremental(keyset(api, incremental=windows))
    assert api.rows == found
    assert [state["cursor"][11:16] for state in states] == ["00:17", "00:34", "00:51", "01:00"]


def test_state_of_another_kind_is_refused(api: RestApi) -> None:
    with pytest.raises(ConfigError, match="not one of this stream"):
        incremental(keyset(api), {"cursor": {"not": "yours"}})


def test_state_in_the_future_reads_nothing_and_stays(api: RestApi) -> None:
    state = {"cursor": "2099-01-01T00:00:00.000000Z"}
    assert ([], [state]) == incremental(keyset(api), state)


def test_empty_account_reads_nothing(api: RestApi) -> None:
    api.rows = []
    assert incremental(keyset(api)) == ([], [])


def children(api: RestApi, **settings: Any) -> RestStream:
    return RestStream(
        client=client(api),
        name="kids",
        parent=stream(api),
        path="kids/{id}",
        key=("parent", "id"),
        carry={"parent": "id"},
        columns={"parent": Kind.INTEGER, "id": Kind.INTEGER},
        **settings,
    )


@pytest.mark.parametrize("threads", [1, 4])
def test_children_of_all_parents_come_in_the_parents_order(api: RestApi, threads: int) -> None:
    found = rows(children(api, threads=threads))
    expected = [(row["id"], number) for row in api.rows for number in range(3)]
    assert expected == [(row["parent"], row["id"]) for row in found]


def test_failing_child_ends_the_stream_after_the_children_before_it(api: RestApi) -> None:
    api.faults.extend([None] * 8 + ["400"])
    got: list[Any] = []
    pages = children(api).read(FULL)
    with pytest.raises(DataError, match="answered 400"):
        got.extend(row for page in pages for row in page)
    assert [api.rows[number]["id"] for number in range(7) for _ in range(3)] == [
        row["parent"] for row in got
    ]


def test_children_of_a_parent_deleted_meanwhile_are_none(api: RestApi) -> None:
    api.faults.extend([None, "404"])
    found = rows(children(api, missing_ok=True))
    assert {row["id"] for row in api.rows[1:]} == {row["parent"] for row in found}


def test_closing_early_ends_the_threads(api: RestApi) -> None:
    before = threading.active_count()
    items = children(api, threads=4).read(FULL)
    next(items)
    items.close()
    alive = [thread.name for thread in threading.enumerate() if thread.name.startswith("rest")]
    assert alive == []
    assert before + 8 >= threading.active_count()


def test_deleted_records_carry_the_moment(api: RestApi) -> None:
    found = rows(keyset(api, deleted="voided"))
    assert [row["updated_at"] if row["voided"] else None for row in api.rows] == [
        row["_ab_cdc_deleted_at"] for row in found
    ]


def test_record_that_does_not_fit_stays_and_is_told(
    api: RestApi, caplog: pytest.LogCaptureFixture
) -> None:
    def shout(row: dict[str, Any]) -> dict[str, Any]:
        if row["name"] is None:
            raise DataError("There is no name.", remedy="Give one.")
        return {**row, "name": row["name"].upper()}

    found = rows(stream(api, transform=shout))
    assert [row["id"] for row in api.rows] == [row["id"] for row in found]
    assert "There is no name." in caplog.text


def test_all_streams_of_an_account_share_one_pace(api: RestApi) -> None:
    moment = [0.0]

    def sleep(seconds: float) -> None:
        moment[0] += seconds

    limiter = RateLimiter(per_second=2, burst=2, clock=lambda: moment[0], sleep=sleep)
    for _ in range(2):
        rows(stream(api, client=client(api, limiter=limiter)))
    assert len(api.asked) == 10
    assert moment[0] == 4.0
