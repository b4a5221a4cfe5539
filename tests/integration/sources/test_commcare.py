"""CommCare against a stateful server: whatever it does, nothing is lost and nothing leaks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from penstock.data.names import identifier
from penstock.data.types import Kind, columns_of
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    PenstockError,
    TransientError,
)
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config
from penstock.sdk.stream import ReadRequest, State, Stream
from penstock.sources.commcare import CommCareConfig, CommCareSource
from tests.doubles.commcare_server import START, XMLNS, CommCare, application, form, moment, uid
from tests.doubles.vendor import FAULTS, serving

NOW = START + timedelta(days=1)
FULL = ReadRequest(mode=SyncMode.FULL_REFRESH)
REGISTRATION = "form_registration_4281eb62"
CHILDREN = f"{REGISTRATION}__children"
LISTS = {
    "forms": "forms",
    "cases": "cases",
    "users": "users",
    "groups": "groups",
    "locations": "locations",
    "lookup_table_rows": "items",
    "messaging_events": "events",
}


class Sleeps(list[float]):
    """Takes the place of time.sleep, and remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def hq() -> Iterator[CommCare]:
    with serving(CommCare.of(60)) as served:
        yield served


def source_of(hq: CommCare, *, hours: float = 0, sleeps: Any = None, **more: Any) -> CommCareSource:
    values = {
        "base_url": hq.url,
        "project_space": hq.domain,
        "username": hq.username,
        "api_key": hq.api_key,
        "page_size": 10,
    }
    config = CommCareConfig(**(values | more))
    now = NOW + timedelta(hours=hours)
    sleep = (lambda _: None) if sleeps is None else sleeps
    return CommCareSource(config, sleep=sleep, now=lambda: now)


def stream_of(source: CommCareSource, name: str) -> Stream:
    return next(stream for stream in source.streams() if stream.name == name)


def rows(stream: Stream, request: ReadRequest = FULL) -> list[dict[str, Any]]:
    return [row for item in stream.read(request) if isinstance(item, list) for row in item]


def incremental(stream: Stream, state: Any = None) -> tuple[list[dict[str, Any]], list[Any]]:
    found, states = [], []
    for item in stream.read(ReadRequest(mode=SyncMode.INCREMENTAL, state=state)):
        if isinstance(item, State):
            states.append(item.value)
        else:
            assert isinstance(item, list)
            found.extend(item)
    return found, states


def ids(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row.get("id") or row.get("case_id") or row["location_id"] for row in found)


@pytest.mark.parametrize("name", ["forms", "cases", "users", "locations"])
def test_empty_page_with_a_next_one_is_no_end(hq: CommCare, name: str) -> None:
    stream = stream_of(source_of(hq, page_size=2 if name == "users" else 10), name)
    hq.hole_at = 2 if name == "users" else 0
    assert ids(getattr(hq, LISTS[name])) == ids(rows(stream))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("fault", [*FAULTS, "again"])
def test_faults_that_pass_lose_nothing(hq: CommCare, name: str, fault: str) -> None:
    stream = stream_of(source_of(hq), name)
    hq.faults.extend([fault, None, fault, fault, None])
    assert ids(getattr(hq, LISTS[name])) == ids(rows(stream))


def test_wait_that_the_server_asks_for_is_kept_to_the_fraction(hq: CommCare) -> None:
    sleeps = Sleeps()
    stream = stream_of(source_of(hq, sleeps=sleeps), "forms")
    hq.faults.extend(["429:2.75", "429:1800.5"])
    assert len(hq.forms) == len(rows(stream))
    assert 2.75 <= sleeps[0] <= 2.75 * 1.1
    assert 1800.5 <= sleeps[1] <= 1801.5


def test_wait_beyond_all_patience_is_told(hq: CommCare) -> None:
    stream = stream_of(source_of(hq), "forms")
    hq.faults.extend(["429:86400"])
    with pytest.raises(TransientError) as caught:
        rows(stream)
    assert caught.value.wait_seconds == 86400


def test_forms_have_their_answers_under_their_questions(hq: CommCare) -> None:
    stream = stream_of(source_of(hq), REGISTRATION)
    kinds = {column.name: column.kind for column in columns_of(stream.json_schema)}
    assert kinds["form.age"] is Kind.INTEGER
    assert kinds["form.weight"] is Kind.NUMBER
    assert kinds["form.dob"] is Kind.DATE
    assert kinds["form.visited_at"] is Kind.TIMESTAMP_TZ
    assert not [name for name in kinds if name.startswith("form.children")]
    row = rows(stream)[1]
    assert row["form.name"] == "Zoë 🩺 1"
    assert row["form.age"] == 21
    assert row["form.weight"] == 51.5
    assert row["form.symptoms"] == "fever cough"
    assert row["form.case_notes"] == "007"
    assert row["form.household.phone"] == "+919007199254740994"
    assert row["form.visited_at"] == "2024-01-01T00:00:01.000+05:30"
    assert row["form.meta.deviceID"] == "358001070684648"
    assert row["form.case"]["@case_id"] == uid("case", 1)
    assert row["_extra"]["not_in_the_app"] == "kept"
    assert "children" not in row["_extra"]


def test_what_a_newer_server_says_of_a_record_is_kept(hq: CommCare) -> None:
    hq.forms[0]["sealed"] = True
    hq.cases[0]["tags"] = ["a"]
    source = source_of(hq)
    for name in ("forms", REGISTRATION):
        assert rows(stream_of(source, name))[0]["_extra"]["@record"] == {"sealed": True}
    for name in ("cases", "case_mother"):
        assert rows(stream_of(source, name))[0]["_extra"]["@record"] == {"tags": ["a"]}
    assert rows(stream_of(source, "forms"))[1]["_extra"] is None


def test_no_two_columns_become_one_in_a_destination(hq: CommCare) -> None:
    for stream in source_of(hq).streams():
        names = list(stream.json_schema["properties"])
        assert len(set(names)) == len({identifier(name, 63) for name in names}), stream.name


def test_answer_of_another_type_is_kept_beside_an_empty_column(hq: CommCare) -> None:
    found = {row["id"]: row for row in rows(stream_of(source_of(hq), REGISTRATION))}
    odd = found[uid("form", 3)]
    assert odd["form.age"] is None
    assert odd["_extra"]["age"] == "about thirty"
    empty = found[uid("form", 5)]
    assert empty["form.age"] is None
    assert "age" not in empty["_extra"]


def test_groups_that_repeat_are_rows_of_their_own(hq: CommCare) -> None:
    source = source_of(hq)
    children = rows(stream_of(source, CHILDREN))
    expected = {
        (uid("form", number), str(one)): (f"child {one}", one, {"late": "x"})
        for number in range(60)
        if number % 5 != 4
        for one in range(number % 4)
    }
    found = {
        (row["form_id"], row["index"]): (
            row["form.children.name"],
            row["form.children.age"],
            row["_extra"],
        )
        for row in children
    }
    assert expected == found
    assert len(children) == len(expected)
    doses = rows(stream_of(source, f"{CHILDREN}__doses"))
    here = [row for row in doses if row["form_id"] == uid("form", 3)]
    told = [(r["index"], r["parent_index"], r["form.children.doses.vaccine"]) for r in here]
    assert told == [("1.0", "1", "bcg"), ("2.0", "2", "bcg"), ("2.1", "2", "opv")]


def test_form_streams_together_hold_what_the_stream_of_all_holds(hq: CommCare) -> None:
    source = source_of(hq)
    parts = [REGISTRATION, "form_visit_9f1c22b0"]
    whole = ids(rows(stream_of(source, "forms")))
    assert whole == sum((ids(rows(stream_of(source, name))) for name in parts), Counter())


def test_cases_of_a_type_have_its_properties_as_columns(hq: CommCare) -> None:
    source = source_of(hq)
    found = rows(stream_of(source, "case_mother"))
    assert {row["case_type"] for row in found} == {"mother"}
    row = found[0]
    assert row["properties.age"] == "034"
    assert row["properties.नाम"] == "आशा"
    assert row["properties.closed"] == "no"
    assert row["closed"] is False
    assert row["external_id"] == "000"
    assert row["_extra"] == {"more": "x"}
    assert True in {row["closed"] for row in rows(stream_of(source, "case_child"))}


def test_cases_come_whether_or_not_a_form_of_theirs_is_read(hq: CommCare) -> None:
    hq.forms.clear()
    assert ids(hq.cases) == ids(rows(stream_of(source_of(hq), "cases")))


def test_links_between_cases_are_rows(hq: CommCare) -> None:
    links = rows(stream_of(source_of(hq), "case_indices"))
    assert (uid("case", 2), "parent", uid("case", 1)) in {
        (row["case_id"], row["identifier"], row["parent_case_id"]) for row in links
    }
    assert len(links) == sum(len(case["indices"]) for case in hq.cases)


def test_archived_form_is_marked_as_deleted(hq: CommCare) -> None:
    source = source_of(hq)
    _, states = incremental(stream_of(source, "forms"))
    hq.edit(7, 86_460, archived=True)
    found, _ = incremental(stream_of(source_of(hq, hours=1), "forms"), states[-1])
    marks = {row["id"]: row["_ab_cdc_deleted_at"] for row in found}
    assert marks == {uid("form", 7): moment(86_460)}
    kept = rows(stream_of(source_of(hq, hours=1, keep_archived=True), "forms"))
    assert [row["id"] for row in kept if row["archived"]] == [uid("form", 7)]
    assert "_ab_cdc_deleted_at" not in kept[0]


def test_second_sync_reads_what_changed_and_the_look_back(hq: CommCare) -> None:
    _, states = incremental(stream_of(source_of(hq), "forms"))
    assert states[-1] == {"cursor": "2024-01-01T23:58:00.000000Z"}
    hq.edit(3, 86_400 + 60)
    hq.forms.append(form(60, seconds=86_400 - 120 - 240))
    found, _ = incremental(stream_of(source_of(hq, hours=1), "forms"), states[-1])
    assert ids(found) == Counter([uid("form", 3), uid("form", 60)])


def test_form_indexed_late_is_read_by_the_next_sync(hq: CommCare) -> None:
    late = form(60, seconds=86_400 - 200)
    _, states = incremental(stream_of(source_of(hq), "forms"))
    hq.forms.append(late)
    found, _ = incremental(stream_of(source_of(hq, hours=1), "forms"), states[-1])
    assert ids(found) == Counter([late["id"]])


@pytest.mark.parametrize("name", ["forms", "cases", "locations", "messaging_events"])
def test_record_edited_between_pages_moves_no_other_away(hq: CommCare, name: str) -> None:
    records = getattr(hq, LISTS[name])
    stamps = {"locations": "last_modified", "messaging_events": "date_last_activity"}
    stamp = stamps.get(name, "indexed_on")
    edits = [2, 7, 9]

    def edit() -> None:
        if edits:
            at = moment(86_400 + 60)
            records[edits.pop(0)][stamp] = at[:-1] if name in stamps else at

    before = set(ids(records))
    source = source_of(hq, page_size=4)
    stream = stream_of(source, name)
    hq.after_page = edit
    found, states = incremental(stream)
    rest, _ = incremental(stream_of(source_of(hq, hours=1), name), states[-1])
    assert before == set(ids([*found, *rest]))


@pytest.mark.parametrize("edits", [[], [None, 2, None, 12, None, 3]], ids=["still", "edited"])
def test_many_forms_of_one_instant_are_all_read(hq: CommCare, edits: list[int | None]) -> None:
    """Re-indexing stamps many forms within the millisecond that Elasticsearch keeps."""
    for number, one in enumerate(hq.forms):
        one["indexed_on"] = moment(number / 1_000_000)
    before = set(ids(hq.forms))

    def edit() -> None:
        number = edits.pop(0) if edits else None
        if number is not None:
            hq.forms[number]["indexed_on"] = moment(86_400 + 60)

    stream = stream_of(source_of(hq), "forms")
    hq.after_page = edit
    found, states = incremental(stream)
    rest, _ = incremental(stream_of(source_of(hq, hours=1), "forms"), states[-1])
    assert before == set(ids([*found, *rest]))
    assert set(ids(found).values()) == {1}


def test_deep_offsets_that_elasticsearch_refuses_are_never_asked_for(hq: CommCare) -> None:
    hq.window = 25
    assert ids(hq.forms) == ids(rows(stream_of(source_of(hq), "forms")))


def test_reindexing_delivers_again_and_loses_nothing(hq: CommCare) -> None:
    _, states = incremental(stream_of(source_of(hq), "forms"))
    for number, one in enumerate(hq.forms):
        one["indexed_on"] = moment(86_400 + number)
    found, _ = incremental(stream_of(source_of(hq, hours=1), "forms"), states[-1])
    assert ids(hq.forms) == ids(found)


def test_instants_without_a_zone_are_utc(hq: CommCare) -> None:
    found = rows(stream_of(source_of(hq), "locations"))
    assert {row["last_modified"][-1] for row in found} == {"Z"}
    assert found[0]["latitude"] == "31.4100000000"


def test_messages_are_read_by_their_last_activity(hq: CommCare) -> None:
    found, states = incremental(stream_of(source_of(hq, page_size=6), "messaging_events"))
    assert ids(found) == ids(hq.events)
    assert found[4]["date"] == "2024-01-01T00:01:00.000000Z"
    assert found[4]["messages"][0]["content"] == "नमस्ते"
    assert found[4]["error"] == hq.events[4]["error"]
    hq.events[3]["date_last_activity"] = moment(86_400 + 60)[:-1]
    again, _ = incremental(stream_of(source_of(hq, hours=1), "messaging_events"), states[-1])
    assert ids(again) == ids([hq.events[3]])


def test_older_servers_next_without_a_path_is_understood(hq: CommCare) -> None:
    hq.has_short_next = True
    assert ids(hq.users) == ids(rows(stream_of(source_of(hq, page_size=2), "users")))


@pytest.mark.parametrize("removed", [0, 1, 3])
@pytest.mark.parametrize("page_size", [2, 3])
def test_user_deleted_while_users_are_read_hides_no_other(
    hq: CommCare, removed: int, page_size: int
) -> None:
    stream = stream_of(source_of(hq, page_size=page_size), "users")
    stay = set(ids(hq.users)) - {hq.users[removed]["id"]}
    pages = 0

    def delete() -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            del hq.users[removed]

    hq.after_page = delete
    found = ids(rows(stream))
    assert stay <= set(found)
    assert set(found.values()) == {1}


def test_active_and_deactivated_users_are_streams_of_their_own(hq: CommCare) -> None:
    source = source_of(hq)
    assert ids(hq.users) == ids(rows(stream_of(source, "users")))
    assert ids(hq.archived_users) == ids(rows(stream_of(source, "deactivated_users")))


def test_application_chosen_narrows_the_forms(hq: CommCare) -> None:
    hq.apps.append(application(1))
    hq.forms[0]["app_id"] = uid("app", 1)
    found = rows(stream_of(source_of(hq, app_id=uid("app", 1)), "forms"))
    assert [row["id"] for row in found] == [uid("form", 0)]


def test_form_of_two_applications_is_one_stream_with_the_questions_of_both(hq: CommCare) -> None:
    other = application(1)
    other["modules"][0]["forms"][0]["questions"][0]["value"] = "/data/full_name"
    hq.apps.append(other)
    source = source_of(hq)
    names = [stream.name for stream in source.streams()]
    assert names.count(REGISTRATION) == 1
    columns = stream_of(source, REGISTRATION).json_schema["properties"]
    assert {"form.name", "form.full_name"} <= set(columns)


def test_many_applications_are_asked_for_few_at_a_time(hq: CommCare) -> None:
    hq.apps[:] = [application(number) for number in range(25)]
    source = source_of(hq, page_size=1000)
    assert ids(hq.apps) == ids(rows(stream_of(source, "applications")))
    asked = [one.query["limit"] for one in hq.asked if "/application/" in one.path]
    assert set(asked) == {"10"}


def test_two_forms_of_one_title_are_two_streams(hq: CommCare) -> None:
    forms = hq.apps[0]["modules"][0]["forms"]
    forms.append({**forms[0], "xmlns": XMLNS + "-copy"})
    names = [stream.name for stream in source_of(hq).streams()]
    assert len(set(names)) == len(names)
    assert REGISTRATION in names


class TestCheck:
    """What is wrong is told by the setting's or the permission's name."""

    @pytest.mark.parametrize("combined", ["ann@example.org:canary-api-key-1"])
    def test_key_that_holds_the_user_is_enough(self, hq: CommCare, combined: str) -> None:
        source_of(hq, username=None, api_key=combined).check()

    def test_user_is_asked_for_where_the_key_does_not_hold_it(self, hq: CommCare) -> None:
        values = {"project_space": "demo", "api_key": "canary"}
        with pytest.raises(ConfigError, match="username"):
            parse_config(CommCareConfig, values)

    def test_missing_permission_is_named(self, hq: CommCare) -> None:
        hq.denied = {"form"}
        with pytest.raises(AccessDenied) as caught:
            source_of(hq).check()
        assert "edit data" in caught.value.remedy

    def test_list_one_can_do_without_is_warned_of(
        self, hq: CommCare, caplog: pytest.LogCaptureFixture
    ) -> None:
        hq.denied = {"location"}
        source_of(hq).check()
        told = " ".join(record.getMessage() for record in caplog.records)
        assert "locations cannot be read" in told
        assert "edit locations" in told

    @pytest.mark.parametrize("wrong", ["app_id", "project_space"])
    def test_wrong_name_is_told_from_the_right_one(self, hq: CommCare, wrong: str) -> None:
        settings = {"app_id": uid("app", 0), "project_space": hq.domain, wrong: "nope"}
        with pytest.raises(ConfigError, match=f"^{wrong}: "):
            source_of(hq, **settings).check()

    def test_server_that_is_not_there_is_named(self, hq: CommCare) -> None:
        with pytest.raises(ConnectionFailed, match="base_url"):
            source_of(hq, base_url="http://127.0.0.1:9").check()

    def test_check_asks_for_little(self, hq: CommCare) -> None:
        source_of(hq).check()
        assert {request.query["limit"] for request in hq.asked} == {"2"}


def test_no_secret_is_ever_shown(hq: CommCare, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = source_of(hq)
    told = [repr(source)]
    stream = stream_of(source, "forms")
    for faults in (["403"], ["400"], ["truncated"] * 12, ["html"] * 12, ["reset"] * 12):
        hq.faults.extend(faults)
        with pytest.raises(PenstockError) as caught:
            rows(stream)
        told.append(str(caught.value.as_document()))
    for wrong in ({"api_key": "canary-wrong"}, {"username": None, "api_key": "x:canary-wrong"}):
        with pytest.raises(PenstockError) as caught:
            source_of(hq, **wrong).check()
        told.append(str(caught.value.as_document()))
    told += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert not [text for text in told if "canary" in text]
