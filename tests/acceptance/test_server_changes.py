"""What changes on a server: settings with before and after, schemas approved, logs followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.up import Up, running

CANARY = "canary-5c1d-password"


@dataclass
class Served:
    up: Up
    table: Path
    source: str
    connection: str

    def discovered(self) -> None:
        probe = self.up.post("/probes/discover", {"source_id": self.source}, 202)
        assert self.up.ended(f"/probes/{probe['id']}")["status"] == "succeeded"

    def patched(self, **fields: object) -> None:
        answer = self.up.client.patch(f"/connections/{self.connection}", json=fields)
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("changes")
    table = folder / "people.csv"
    table.write_text("id,name\n1,Ada\n")
    with running(folder / "up") as up:
        streams = [{"name": "people", "path": str(table)}]
        source = up.connector("source-file", {"streams": streams})["id"]
        destination = up.connector("destination-duckdb", {"path": str(folder / "w.duckdb")})["id"]
        made = Served(up, table, source, "")
        made.discovered()
        choice = {"name": "people", "selected_fields": [["id"], ["name"]]}
        body = {
            "workspace_id": up.workspace,
            "source_id": source,
            "destination_id": destination,
            "streams": [choice],
        }
        made.connection = up.post("/connections", body)["id"]
        yield made


def test_the_timeline_tells_who_changed_what_from_what_to_what(served: Served) -> None:
    served.patched(prefix="p_", streams=[{"name": "people", "mode": "full_refresh_append"}])
    path = f"/events?connection_id={served.connection}&kind=connection.updated"
    event = served.up.get(path)["items"][0]
    assert event["actor"] == "admin@localhost"
    prefix, stream = event["data"]["changes"]
    assert prefix == {"path": ["prefix"], "before": "", "after": "p_"}
    assert stream["path"] == ["streams", "people"]
    assert stream["before"]["selected_fields"] == [["id"], ["name"]]
    assert stream["after"] == {"mode": "full_refresh_append"}
    audited = served.up.get(f"/audit?workspace_id={served.up.workspace}")["items"]
    assert "connection.updated" in {each["action"] for each in audited}
    served.patched(prefix="", streams=[{"name": "people", "selected_fields": [["id"], ["name"]]}])


def test_a_changed_secret_is_told_as_changed_and_neither_value_is(served: Served) -> None:
    up = served.up
    config = {"host": "db", "database": "d", "username": "u", "password": CANARY}
    made = up.connector("destination-postgres", config)
    path = f"/destinations/{made['id']}"
    answer = up.client.patch(path, json={"config": {**config, "password": CANARY + "2"}})
    assert answer.status_code == 200, answer.text
    event = up.get(f"/events?workspace_id={up.workspace}&kind=destination.updated")["items"][0]
    (change,) = event["data"]["changes"]
    assert change["path"] == ["config", "password"]
    assert change["before"] == change["after"] == "**********"
    everything = up.client.get("/events?limit=500").text + up.client.get("/audit?limit=500").text
    assert CANARY not in everything


def test_a_new_field_is_shown_approved_and_read(served: Served) -> None:
    up = served.up
    served.table.write_text("id,name,age\n1,Ada,36\n")
    served.discovered()
    path = f"/connections/{served.connection}"
    found = up.get(f"{path}/schema-difference")
    (change,) = found["changes"]
    assert (change["transform"], change["field"], found["is_breaking"]) == (
        "add_field",
        "age",
        False,
    )
    stale = up.client.post(f"{path}/schema-approval", json={"catalog_id": "another"})
    assert stale.status_code == 409
    approved = up.post(f"{path}/schema-approval", {"catalog_id": found["catalog_id"]}, 200)
    assert approved["streams"][0]["selected_fields"] == [["id"], ["name"], ["age"]]
    assert up.get(f"{path}/schema-difference")["changes"] == []


def test_a_key_that_is_gone_is_approved_only_with_another(served: Served) -> None:
    up = served.up
    choice = {
        "name": "people",
        "mode": "full_refresh_overwrite_deduped",
        "primary_key": [["id"]],
    }
    served.patched(streams=[choice])
    served.table.write_text("number,name,age\n1,Ada,36\n")
    served.discovered()
    path = f"/connections/{served.connection}"
    found = up.get(f"{path}/schema-difference")
    assert found["is_breaking"]
    body = {"catalog_id": found["catalog_id"]}
    refused = up.client.post(f"{path}/schema-approval", json=body)
    assert refused.status_code == 422
    assert "id" in refused.json()["detail"]
    body["streams"] = [{**choice, "primary_key": [["number"]]}]
    approved = up.post(f"{path}/schema-approval", body, 200)
    assert approved["streams"][0]["primary_key"] == [["number"]]


def test_a_log_is_followed_from_where_a_listener_was_and_by_what_it_looks_for(
    served: Served,
) -> None:
    up = served.up
    run = up.post(f"/connections/{served.connection}/runs", {})
    assert up.ended(f"/runs/{run['id']}")["status"] == "succeeded"
    path = f"/runs/{run['id']}/attempts/1/log"
    lines = up.get(path)["items"]
    assert len(lines) > 1
    second = up.get(f"{path}?offset={lines[1]['offset']}")["items"][0]
    assert second == lines[1]
    headers = {"last-event-id": str(lines[1]["offset"])}
    told = up.client.get(f"{path}/follow", headers=headers).text
    data = next(line for line in told.splitlines() if line.startswith("data: ["))
    assert json.loads(data.removeprefix("data: "))[0]["message"] == lines[1]["message"]
    assert "event: end" in told
    assert up.get(f"{path}?q=attempt 1 of")["items"][0]["message"].startswith("Attempt 1 of")
    assert up.get(f"{path}?origin=nobody")["items"] == []
    made_up = up.client.get(f"{path}/follow", headers={"last-event-id": "x"})
    assert made_up.status_code == 422


def test_one_streams_state_is_reset_and_the_others_stay(served: Served) -> None:
    up = served.up
    path = f"/connections/{served.connection}/states"
    given = [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": name}, "stream_state": {"at": 12}},
        }
        for name in ("people", "other")
    ]
    assert up.client.put(path, json={"states": given}).status_code == 204
    assert up.client.delete(f"{path}?stream=people").status_code == 204
    assert {each["name"]: each["state"] for each in up.get(path)} == {
        "people": {},
        "other": {"at": 12},
    }
