"""Avni against a stateful server: whatever it does, nothing is lost and nothing leaks."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from penstock.data.names import identifier
from penstock.data.types import Kind, columns_of
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State, Stream
from penstock.sources.avni import AvniConfig, AvniSource
from tests.doubles.avni_server import START, Avni, Kept, shown
from tests.doubles.vendor import FAULTS, serving

NOW = datetime(2024, 1, 2, tzinfo=UTC)
FULL = ReadRequest(mode=SyncMode.FULL_REFRESH)
CHANGING = {
    "subjects": "subjects",
    "program_enrolments": "programEnrolments",
    "program_encounters": "programEncounters",
    "encounters": "encounters",
    "group_subjects": "groupSubjects",
    "locations": "locations",
    "approval_statuses": "approvalStatuses",
}


@pytest.fixture
def avni() -> Iterator[Avni]:
    with serving(Avni.of(60)) as served:
        yield served


def source_of(avni: Avni, **settings: Any) -> AvniSource:
    clock = settings.pop("clock", time.monotonic)
    values = {
        "base_url": avni.url,
        "username": avni.user,
        "password": avni.password,
        "login": "none" if avni.idp == "none" else "automatic",
        "page_size": 10,
        "cognito_url": f"{avni.url}/cognito/",
    }
    config = AvniConfig(**(values | settings))
    return AvniSource(config, sleep=lambda _: None, now=lambda: NOW, clock=clock)


def stream_of(source: AvniSource, name: str) -> Stream:
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


def keys(stream: Stream, found: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[path[0]] for path in stream.primary_key) for row in found)


@pytest.mark.parametrize("name", CHANGING)
def test_every_record_of_every_list_comes_once(avni: Avni, name: str) -> None:
    stream = stream_of(source_of(avni), name)
    found = keys(stream, rows(stream))
    assert len(avni.data[CHANGING[name]]) == len(found) == found.total()


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("fault", [*FAULTS, "again"])
def test_faults_that_pass_lose_nothing(avni: Avni, name: str, fault: str) -> None:
    stream = stream_of(source_of(avni), name)
    avni.faults.extend([fault, None, fault, fault, None])
    found = keys(stream, rows(stream))
    assert len(avni.data[CHANGING[name]]) == len(found)


@pytest.mark.parametrize("name", [*CHANGING, "tasks"])
def test_empty_page_that_is_not_the_last_is_no_end(avni: Avni, name: str) -> None:
    stream = stream_of(source_of(avni), name)
    expected = keys(stream, rows(stream))
    avni.has_hole = True
    assert expected == keys(stream, rows(stream))


def test_values_are_exact(avni: Avni) -> None:
    row = rows(stream_of(source_of(avni), "subjects"))[1]
    body = avni.data["subjects"][1].shown()
    assert body["ID"] == row["ID"]
    assert row["External ID"] == "001"
    assert body["observations"] == row["observations"]
    assert row["last_modified_at"] == "2024-01-01T00:00:01.000Z" == row["audit"]["Last modified at"]
    assert row["_extra"] == {"Large": 9007199254740994}


@pytest.mark.parametrize("has_old_names", [False, True])
def test_coordinates_have_one_column_whatever_the_server_calls_them(
    avni: Avni, has_old_names: bool
) -> None:
    avni.has_old_names = has_old_names
    source = source_of(avni)
    for name, column in (("subjects", "Registration"), ("program_enrolments", "Enrolment")):
        row = rows(stream_of(source, name))[0]
        assert set(row[f"{column} location"]) == {"X", "Y"}
        assert f"{column} Coordinates" not in (row["_extra"] or {})


def test_no_two_columns_become_one_in_a_destination(avni: Avni) -> None:
    for stream in source_of(avni, streams_per_type=True).streams():
        names = list(stream.json_schema["properties"])
        assert len(set(names)) == len({identifier(name, 63) for name in names}), stream.name


def test_voided_records_are_marked_as_deleted(avni: Avni) -> None:
    found = rows(stream_of(source_of(avni), "subjects"))
    marks = {row["ID"]: row["_ab_cdc_deleted_at"] for row in found}
    for one in avni.data["subjects"]:
        expected = shown(one.modified_at) if one.body["Voided"] else None
        assert expected == marks[one.body["ID"]]
    kept = rows(stream_of(source_of(avni, keep_voided=True), "subjects"))
    assert not [row for row in kept if "_ab_cdc_deleted_at" in row]
    assert len(kept) == len(found)


@pytest.mark.parametrize("name", CHANGING)
def test_record_edited_between_pages_moves_no_other_away(avni: Avni, name: str) -> None:
    source = source_of(avni)
    stream = stream_of(source, name)
    before = keys(stream, rows(stream))
    edits = [2, 7, 11]

    def edit() -> None:
        if edits:
            avni.edit(CHANGING[name], edits.pop(0), NOW + timedelta(hours=1))

    avni.after_page = edit
    found, states = incremental(stream)
    later = AvniSource(source._config, sleep=lambda _: None, now=lambda: NOW + timedelta(hours=2))
    rest, _ = incremental(stream_of(later, name), states[-1])
    assert set(before) == set(keys(stream, [*found, *rest]))


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("edits", [[], [None, 2, None, 12, None, 3]], ids=["still", "edited"])
def test_many_records_of_one_instant_are_all_read(
    avni: Avni, name: str, edits: list[int | None]
) -> None:
    """A bulk update stamps a microsecond a record; the API shows milliseconds."""
    listing = CHANGING[name]
    for one in avni.data[listing]:
        one.modified_at = START + timedelta(microseconds=one.number)
    source = source_of(avni)
    stream = stream_of(source, name)
    before = set(keys(stream, rows(stream)))
    assert len(avni.data[listing]) == len(before)

    def edit() -> None:
        number = edits.pop(0) if edits else None
        if number is not None:
            avni.edit(listing, number, NOW + timedelta(hours=1))

    avni.after_page = edit
    found, states = incremental(stream)
    later = AvniSource(source._config, sleep=lambda _: None, now=lambda: NOW + timedelta(hours=2))
    rest, _ = incremental(stream_of(later, name), states[-1])
    assert before == set(keys(stream, [*found, *rest]))
    assert len(before) - len(keys(stream, found)) <= 3


def test_more_than_a_page_a_millisecond_does_not_go_round_in_circles(avni: Avni) -> None:
    for one in avni.data["subjects"]:
        one.modified_at = START + timedelta(microseconds=one.number * 40)
    found = rows(stream_of(source_of(avni), "subjects"))
    assert len(avni.data["subjects"]) == len({row["ID"] for row in found}) == len(found)


def test_what_changes_after_the_sync_began_belongs_to_the_next(avni: Avni) -> None:
    late = NOW - timedelta(seconds=10)
    avni.edit("subjects", 5, late, **{"External ID": "late"})
    source = source_of(avni)
    found, states = incremental(stream_of(source, "subjects"))
    assert "late" not in {row["External ID"] for row in found}
    assert states[-1] == {"cursor": "2024-01-01T23:59:30.000000Z"}
    later = AvniSource(source._config, sleep=lambda _: None, now=lambda: NOW + timedelta(minutes=5))
    found, _ = incremental(stream_of(later, "subjects"), states[-1])
    assert [row["External ID"] for row in found] == ["late"]


def test_all_pages_of_a_sync_ask_for_the_same_end(avni: Avni) -> None:
    rows(stream_of(source_of(avni), "subjects"))
    asked = [request.query for request in avni.asked if request.path == "/api/subjects"]
    assert len(asked) >= 6
    assert {query["now"] for query in asked} == {"2024-01-01T23:59:30.000Z"}
    assert {query["version"] for query in asked} == {"2"}


def test_tasks_of_every_type_and_status_come_once(avni: Avni) -> None:
    found = rows(stream_of(source_of(avni, page_size=3), "tasks"))
    expected = Counter(task["ID"] for task in avni.tasks)
    assert expected == Counter(row["ID"] for row in found)
    assert found[0]["metadata"] == {"Contact number": "9801010101"}


def test_task_types_given_spare_asking_for_them(avni: Avni) -> None:
    found = rows(stream_of(source_of(avni, task_types=("Call",)), "tasks"))
    assert len(found) == len(avni.tasks)
    assert "/web/operationalModules" not in avni.paths()


def test_task_that_ends_while_tasks_are_read_hides_no_other(avni: Avni) -> None:
    ids = {task["ID"] for task in avni.tasks}
    changes = [None, "Done", None, "Done", None, None, None, "New"]
    open_ones = [task for task in avni.tasks if task["Task status"] == "New"]

    def change() -> None:
        status = changes.pop(0) if changes else None
        if status is not None:
            open_ones[len(changes) % 3]["Task status"] = status

    avni.after_page = change
    found = Counter(row["ID"] for row in rows(stream_of(source_of(avni, page_size=3), "tasks")))
    assert ids == set(found)
    assert found.total() == len(ids)


def test_each_type_has_a_stream_with_its_observations_as_columns(avni: Avni) -> None:
    source = source_of(avni, streams_per_type=True)
    names = {stream.name for stream in source.streams()}
    assert {
        "subject_individual",
        "subject_household",
        "program_enrolment_anc",
        "program_encounter_monthly_visit",
        "program_encounter_delivery",
        "encounter_home_visit",
    } <= names
    stream = stream_of(source, "subject_individual")
    kinds = {column.name: column.kind for column in columns_of(stream.json_schema)}
    assert kinds["observations.Weight (kg)"] is Kind.NUMBER
    assert kinds["observations.Date of first visit"] is Kind.DATE
    assert kinds["observations.Symptoms 🩺"] is Kind.JSON
    assert kinds["observations.नाम"] is Kind.STRING
    found = rows(stream)
    assert len(found) == sum(
        one.body["Subject type"] == "Individual" for one in avni.data["subjects"]
    )
    assert {row["Subject type"] for row in found} == {"Individual"}
    assert found[0]["observations.Weight (kg)"] == 50.0
    assert found[0]["observations"]["Weight (kg)"] == 50.0


def test_observations_alone_spare_the_sample(avni: Avni) -> None:
    source = source_of(avni, streams_per_type=True, observations="json")
    stream = stream_of(source, "subject_individual")
    assert not [name for name in stream.json_schema["properties"] if "observations." in name]
    assert {"Individual"} == {row["Subject type"] for row in rows(stream)}
    assert not [one for one in avni.asked if one.query.get("size") == "1000"]


def test_streams_per_type_together_hold_what_the_stream_of_all_holds(avni: Avni) -> None:
    source = source_of(avni, streams_per_type=True)
    whole = {row["ID"] for row in rows(stream_of(source, "program_encounters"))}
    parts = [s for s in source.streams() if s.name.startswith("program_encounter_")]
    assert whole == {row["ID"] for stream in parts for row in rows(stream)}


class TestCheck:
    """What is wrong is told by the setting's or the privilege's name."""

    def test_missing_privilege_is_named_with_its_type(self, avni: Avni) -> None:
        avni.denied_types = {"Household", "Delivery"}
        with pytest.raises(AccessDenied, match=r"'Household'.*'Delivery'") as caught:
            source_of(avni).check()
        told = str(caught.value)
        assert """subjects: the privilege "View subject" for 'Household'""" in told
        assert """program_encounters: the privilege "View visit" for 'Delivery'""" in told
        assert "Individual" not in told
        assert "username" in told

    def test_list_refused_as_a_whole_is_named(self, avni: Avni) -> None:
        avni.denied = {"encounters"}
        with pytest.raises(AccessDenied, match=r'encounters: .*"View visit"'):
            source_of(avni).check()

    def test_list_one_can_do_without_is_warned_of(
        self, avni: Avni, caplog: pytest.LogCaptureFixture
    ) -> None:
        avni.denied, avni.absent = {"locations"}, {"approvalStatuses"}
        source_of(avni).check()
        told = " ".join(record.getMessage() for record in caplog.records)
        assert "locations: the user may not read locations" in told
        assert "approval_statuses" in told

    def test_reading_a_list_without_the_privilege_names_it(self, avni: Avni) -> None:
        source = source_of(avni)
        avni.denied = {"encounters"}
        with pytest.raises(AccessDenied) as caught:
            rows(stream_of(source, "encounters"))
        assert "View visit" in caught.value.remedy

    def test_list_that_an_older_server_lacks_is_no_stream(self, avni: Avni) -> None:
        avni.absent, avni.denied = {"approvalStatuses"}, {"locations"}
        names = {stream.name for stream in source_of(avni).streams()}
        assert "approval_statuses" not in names
        assert "locations" in names

    def test_server_that_is_not_there_is_named(self, avni: Avni) -> None:
        source = source_of(avni, base_url="http://127.0.0.1:9")
        with pytest.raises(ConnectionFailed, match="base_url"):
            source.check()

    @pytest.mark.parametrize("login", ["automatic", "none"])
    def test_server_that_is_no_avni_is_named(self, avni: Avni, login: str) -> None:
        source = source_of(avni, base_url=f"{avni.url}/elsewhere", login=login)
        with pytest.raises(ConfigError, match="base_url"):
            source.check()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def pooled(moto: str) -> Iterator[Avni]:
    """A server that takes the tokens of moto's Cognito, and proves each by its signature."""
    cognito: Any = boto3.client(
        "cognito-idp",
        region_name="ap-south-1",
        endpoint_url=moto,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    pool = cognito.create_user_pool(PoolName="avni")["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="app", ExplicitAuthFlows=flows
    )["UserPoolClient"]["ClientId"]
    cognito.admin_create_user(UserPoolId=pool, Username="ann@demo", TemporaryPassword="Temp-1-pw!")
    cognito.admin_set_user_password(
        UserPoolId=pool, Username="ann@demo", Password="canary-Password-1", Permanent=True
    )
    cognito.admin_create_user(UserPoolId=pool, Username="new@demo", TemporaryPassword="Temp-1-pw!")
    served = Avni.of(
        30,
        idp="cognito",
        pool_id=pool,
        client_id=client,
        password="canary-Password-1",
        jwks_url=f"{moto}/{pool}/.well-known/jwks.json",
    )
    with serving(served):
        yield served


class TestLogin:
    """Every way in, and what is told when it is shut."""

    def test_password_is_not_sent_where_cognito_asks_for_proof_of_it(
        self, pooled: Avni, moto: str
    ) -> None:
        pooled.flows, pooled.forwards_to = {"USER_SRP_AUTH"}, f"{moto}/"
        source = source_of(pooled)
        source.check()
        assert len(rows(stream_of(source, "subjects"))) == 30
        sent = [json.loads(one.body) for one in pooled.asked if one.path == "/cognito/"]
        flows = [body.get("AuthFlow") or body["ChallengeName"] for body in sent]
        assert flows == ["USER_PASSWORD_AUTH", "USER_SRP_AUTH", "PASSWORD_VERIFIER"]

    def test_cognito_token_is_one_the_server_proves(self, pooled: Avni, moto: str) -> None:
        source = source_of(pooled, cognito_url=f"{moto}/")
        source.check()
        assert len(rows(stream_of(source, "subjects"))) == 30

    def test_cognito_refuses_a_wrong_password_naming_the_setting(
        self, pooled: Avni, moto: str
    ) -> None:
        source = source_of(pooled, cognito_url=f"{moto}/", password="canary-wrong")
        with pytest.raises(AccessDenied, match=r"username, password.*NotAuthorized") as caught:
            source.check()
        assert "canary-wrong" not in str(caught.value.as_document())

    def test_cognito_challenge_is_told_with_what_to_do(self, pooled: Avni, moto: str) -> None:
        source = source_of(
            pooled, cognito_url=f"{moto}/", username="new@demo", password="Temp-1-pw!"
        )
        with pytest.raises(AccessDenied, match="NEW_PASSWORD_REQUIRED"):
            source.check()

    @pytest.mark.parametrize("idp", ["cognito", "keycloak", "both"])
    def test_server_says_by_whom_its_users_are_known(self, idp: str) -> None:
        with serving(Avni.of(30, idp=idp)) as avni:
            source = source_of(avni)
            source.check()
            assert len(rows(stream_of(source, "subjects"))) == 30

    def test_user_whom_only_keycloak_knows_gets_in_where_there_are_both(self) -> None:
        with serving(Avni.of(30, idp="both", flows=set())) as avni:
            source = source_of(avni)
            assert len(rows(stream_of(source, "subjects"))) == 30
            assert set(avni.logins) == {"keycloak"}

    def test_older_server_tells_of_cognito_alone(self) -> None:
        with serving(Avni.of(30, idp="cognito", has_idp_details=False)) as avni:
            assert len(rows(stream_of(source_of(avni), "subjects"))) == 30

    def test_token_api_serves_those_who_may_use_it(self) -> None:
        with serving(Avni.of(30, idp="keycloak")) as avni:
            source = source_of(avni, login="token_api")
            assert len(rows(stream_of(source, "subjects"))) == 30
            assert set(avni.logins) == {"generateToken"}
            avni.may_generate_tokens = False
            with pytest.raises(AccessDenied, match="username, password"):
                source_of(avni, login="token_api").check()

    def test_one_login_serves_a_whole_sync(self) -> None:
        with serving(Avni.of(30, idp="cognito")) as avni:
            source = source_of(avni)
            for name in CHANGING:
                rows(stream_of(source, name))
            assert len(avni.logins) == 1

    @pytest.mark.parametrize("hides_bodies", [False, True])
    def test_token_that_ends_in_mid_stream_is_renewed_though_the_server_says_500(
        self, hides_bodies: bool
    ) -> None:
        with serving(Avni.of(60, idp="cognito", hides_bodies=hides_bodies)) as avni:
            clock = [0.0]

            def age() -> None:
                if len(avni.logins) == 1:
                    for token in avni.tokens:
                        avni.tokens[token] -= 4000
                    # Without its reason, the 500 is taken for a stale token only by its age.
                    clock[0] += 1800 if hides_bodies else 0

            avni.after_page = age
            source = source_of(avni, clock=lambda: clock[0])
            found = rows(stream_of(source, "subjects"))
            assert len({row["ID"] for row in found}) == 60
            assert avni.logins == ["USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH"]

    def test_server_that_is_really_broken_is_not_taken_for_a_stale_token(self) -> None:
        with serving(Avni.of(60, idp="cognito")) as avni:
            source = source_of(avni)
            stream = stream_of(source, "subjects")
            avni.faults.extend(["500"] * 3)
            assert len(rows(stream)) == 60
            assert len(avni.logins) == 1


def test_no_secret_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    with serving(Avni.of(30, idp="cognito")) as avni:
        good = source_of(avni)
        rows(stream_of(good, "subjects"))
        told.append(repr(good._config))
        for faults in (["403"], ["400"], ["truncated"] * 6, ["html"] * 6, ["reset"] * 6):
            avni.faults.extend(faults)
            with pytest.raises(PenstockError) as caught:
                rows(stream_of(good, "subjects"))
            told.append(str(caught.value.as_document()))
        for settings in ({"password": "canary-wrong"}, {"login": "token_api", "username": "x"}):
            with pytest.raises(PenstockError) as caught:
                source_of(avni, **settings).check()
            told.append(str(caught.value.as_document()))
    told += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert not [text for text in told[1:] if "canary" in text]


def test_record_without_an_instant_is_told_of(avni: Avni) -> None:
    class Bare(Kept):
        def shown(self) -> dict[str, Any]:
            return {**super().shown(), "audit": {}}

    last = avni.data["subjects"][-1]
    avni.data["subjects"][-1] = Bare(last.body, last.modified_at, last.number)
    with pytest.raises(PenstockError, match="Last modified at"):
        rows(stream_of(source_of(avni), "subjects"))
