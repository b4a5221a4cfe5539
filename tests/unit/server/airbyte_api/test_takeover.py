"""What an Airbyte workspace becomes here: positions of each shape, connectors, names, schedules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.errors import ProtocolError
from penstock.protocol.codec import decode_states, encode
from penstock.server.airbyte_api.elsewhere import Credentials, Held, elsewhere
from penstock.server.airbyte_api.takeover import Takeover, takeover
from tests.doubles.airbyte_server import MASK, WORKSPACE, connection, definition, end, sid, stream
from tests.doubles.vendor import Answer, Request, Vendor, serving

SPEC = {
    "type": "object",
    "required": ["host"],
    "properties": {
        "host": {"type": "string"},
        "password": {"type": "string", "airbyte_secret": True},
    },
    "additionalProperties": False,
}
INCREMENTAL = {"syncMode": "incremental", "destinationSyncMode": "append_dedup"}
SHAPES = {
    "stream": {
        "stateType": "stream",
        "streamState": [
            {"streamDescriptor": {"name": "orders", "namespace": "shop"}, "streamState": {"at": 1}}
        ],
    },
    "global": {
        "stateType": "global",
        "globalState": {
            "sharedState": {"lsn": 9007199254740993},
            "streamStates": [
                {"streamDescriptor": {"name": "orders", "namespace": "shop"}, "streamState": {}}
            ],
        },
    },
    "legacy": {"stateType": "legacy", "state": {"orders": {"at": 1}}},
}


def held(state: dict[str, Any] | None = None, **more: Any) -> Held:
    config = more.pop("config", {"host": "db", "password": MASK})
    catalog = {"streams": [stream("orders", namespace="shop", **INCREMENTAL)]}
    return Held(
        workspace={"workspaceId": WORKSPACE, "name": "Team"},
        sources=(end("source", 1, "shop", "def", type_="postgres", **config),),
        destinations=(end("destination", 2, "lake", "lake", type_="x", host="there"),),
        connections=(connection(3, "c", 1, 2, **{"syncCatalog": catalog, **more}),),
        states={sid(3): state or {"stateType": "not_set"}},
        definitions={
            "def": definition("def", "Postgres", "airbyte/source-postgres", "3.6.1"),
            "lake": definition("lake", "Lake", "ours/destination-lake", "2"),
        },
    )


def taken(given: Held, **options: Any) -> Takeover:
    return takeover(given, {"source-postgres": SPEC}.get, **options)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_position_of_each_shape_becomes_states_of_the_protocol(shape: str) -> None:

    states = decode_states(json.dumps(taken(held(SHAPES[shape])).states["c"]).encode())
    (told,) = [json.loads(encode(each)) for each in states]
    if shape == "global":
        assert told["type"] == "GLOBAL"
        assert told["global"]["shared_state"] == {"lsn": 9007199254740993}
    else:
        assert told["stream"] == {
            "stream_descriptor": {"name": "orders", "namespace": "shop"},
            "stream_state": {"at": 1},
        }


def test_an_old_position_of_no_known_stream_is_told_and_not_guessed() -> None:
    found = taken(held({"stateType": "legacy", "state": {"cdc_offset": "x"}}))
    assert found.states == {}
    assert any("the first run reads everything" in each for each in found.notes)


def test_a_source_with_a_position_keeps_the_connector_whose_words_it_is_in() -> None:
    found = taken(held(SHAPES["stream"]))
    assert found.document["connectors"]["source-postgres"]["version"] == "3.6.1"
    assert any("position is in its words" in each for each in found.notes)
    native = taken(held(SHAPES["stream"]), prefers_native=True)
    assert "source-postgres" not in native.document["connectors"]
    assert native.states == {}
    assert any("read anew" in each for each in native.notes)


def test_a_source_without_a_position_takes_ours_where_its_settings_fit() -> None:
    assert set(taken(held()).document["connectors"]) == {"destination-lake"}
    other = taken(held(config={"host": "db", "replication_method": {"method": "CDC"}}))
    assert "source-postgres" in other.document["connectors"]
    assert any("ours takes other settings" in each for each in other.notes)


def test_secrets_are_named_and_images_of_ones_own_kept() -> None:
    found = taken(held())
    assert found.document["sources"]["shop"]["config"]["password"] == (
        "${secret:source/shop/password}"
    )
    assert found.secrets == ("source/shop/password",)
    assert found.document["connectors"]["destination-lake"] == {
        "title": "Lake",
        "version": "2",
        "docker_repository": "ours/destination-lake",
    }
    assert "connectors" not in taken(held(), known=["destination-lake"]).document


@pytest.mark.parametrize(
    ("unit", "units", "every"),
    [("minutes", 15, "15m"), ("hours", 24, "1d"), ("weeks", 1, "7d"), ("months", 1, "30d")],
)
def test_a_basic_schedule_is_the_same_time(unit: str, units: int, every: str) -> None:
    basic = {"basicSchedule": {"timeUnit": unit, "units": units}}
    found = taken(held(scheduleType="basic", scheduleData=basic))
    assert found.document["connections"]["c"]["schedule"] == {"every": every}


def test_a_connection_is_off_until_somebody_switches_it_on() -> None:
    assert taken(held()).document["connections"]["c"]["active"] is False
    assert "active" not in taken(held(), activates=True).document["connections"]["c"]
    there = held(namespaceDefinition="customformat", namespaceFormat="x_${SOURCE_NAMESPACE}")
    assert taken(there).document["connections"]["c"]["namespace_rule"] == "custom_format"


def test_names_that_repeat_are_told_apart() -> None:
    one = held()
    two = Held(
        workspace=one.workspace,
        sources=one.sources,
        destinations=one.destinations,
        connections=(*one.connections, connection(4, "c", 1, 2)),
        states={**one.states, sid(4): {"stateType": "not_set"}},
        definitions=one.definitions,
    )
    assert set(taken(two).document["connections"]) == {"c", "c (2)"}


class LoginPage(Vendor):
    def answer(self, request: Request) -> Answer:
        return Answer(200, b"<html>Please log in</html>")


def test_a_login_page_is_no_airbyte() -> None:
    with (
        serving(LoginPage()) as page,
        elsewhere(page.url, Credentials(token="t")) as there,
        pytest.raises(ProtocolError, match="no JSON"),
    ):
        there.workspaces()
