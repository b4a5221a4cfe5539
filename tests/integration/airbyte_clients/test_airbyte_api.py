"""Programs written for Airbyte's HTTP interfaces work with ours: airbyte-api, and the shapes
that Airflow, dagster, Prefect and Kestra read."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.airbyte_clients.conftest import Served

TOKEN_PATHS = (
    "/applications/token",
    "/v1/applications/token",
    "/api/v1/applications/token",
    "/api/public/applications/token",
    "/api/public/v1/applications/token",
)


def test_airbyte_api_drives_every_resource(
    served: Served, sdk_python: Path, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("drive_sdk.py")
    given = (served.address, served.client_id, served.client_secret, served.token, str(tmp_path))
    done = subprocess.run(
        [str(sdk_python), str(script), *given],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    page = f"{served.address}/api/public/v1/workspaces?includeDeleted=false&limit=1&offset=1"
    assert seen.pop("seconds to ask for a job") < 5
    assert seen.pop("status at first") in ("pending", "running")
    assert "Mine" in seen.pop("source definitions")
    assert "Mine" in seen.pop("destination definitions")
    assert seen == {
        "workspaces by client_credentials": 1,
        "workspaces by bearer": 1,
        "workspaces by basic": 1,
        "health": 200,
        "workspace": "Renamed",
        "webhook": "http://x/",
        "next of a page": page,
        "same tag again": 409,
        "tag": "hourly",
        "tags": 1,
        "source type": "faker",
        "source": "people",
        "sources": ["people"],
        "destination type": "duckdb",
        "destination": "duck",
        "destinations": ["duck"],
        "streams": ["products", "purchases", "users"],
        "modes": [
            "full_refresh_append",
            "full_refresh_overwrite",
            "full_refresh_overwrite_deduped",
            "incremental_append",
            "incremental_deduped_history",
        ],
        "cron": "0 30 5 * * ? UTC",
        "connection": ["people, daily", "p_", "incremental_deduped_history", "hourly", "cron"],
        "unknown stream": [400, "bad-request"],
        "connections of a tag": 1,
        "job again": [409, True],
        "job": ["succeeded", 300, "Z", "PT"],
        "jobs": 1,
        "cancelled": "succeeded",
        "refresh": 422,
        "source definition": "1.1",
        "destination definition": "1.1",
        "declarative": [2, {"version": "6.1.0"}],
        "users": ["admin@localhost"],
        "permission": "workspace_editor",
        "permissions": ["instance_admin", "workspace_editor"],
        "gone": [404, "resource-not-found"],
    }


@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_tokens_are_given_wherever_clients_look_for_them(served: Served, path: str) -> None:
    pair = {"client_id": served.client_id, "client_secret": served.client_secret}
    for sent in ({"data": pair}, {"json": pair}):
        answer = httpx.post(served.address + path, **sent)  # type: ignore[arg-type]
        token = answer.json()
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 900)
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        found = httpx.get(f"{served.address}/api/public/v1/jobs/", headers=headers)
        assert (found.status_code, found.json()["data"]) == (200, found.json()["data"])
    wrong = httpx.post(served.address + path, json={**pair, "client_secret": "guessed"})
    assert (wrong.status_code, wrong.json()["title"]) == (401, "invalid-api-key")


@pytest.fixture
def program(served: Served) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {served.token}"}
    with httpx.Client(base_url=served.address, headers=headers, timeout=60) as client:
        yield client


def asked(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_orchestrators_sync_by_the_config_api(
    served: Served, program: httpx.Client, tmp_path: Path
) -> None:
    public = "/api/public/v1"
    source = program.post(
        f"{public}/sources",
        json={
            "name": "faker",
            "workspaceId": served.workspace,
            "configuration": {"sourceType": "faker", "count": 50},
        },
    ).json()
    assert "sourceType" not in source["configuration"]
    destination = program.post(
        f"{public}/destinations",
        json={
            "name": "duck",
            "workspaceId": served.workspace,
            "configuration": {
                "destinationType": "duckdb",
                "destination_path": str(tmp_path / "w.duckdb"),
                "motherduck_api_key": "canary-1f2e",
            },
        },
    ).json()
    assert destination["configuration"]["motherduck_api_key"] == "**********"
    connection = program.post(
        f"{public}/connections",
        json={"sourceId": source["sourceId"], "destinationId": destination["destinationId"]},
    ).json()
    connection_id = {"connectionId": connection["connectionId"]}

    assert program.get("/api/v1/health/").json()["available"] is True
    check = asked(program, "sources/check_connection", {"sourceId": source["sourceId"]})
    assert check["status"] == "succeeded"
    found = asked(program, "sources/discover_schema", {"sourceId": source["sourceId"]})
    assert {each["stream"]["name"] for each in found["catalog"]["streams"]} >= {"users"}

    job = asked(program, "connections/sync/", connection_id)["job"]
    assert job["status"] in ("pending", "running")
    assert isinstance(job["createdAt"], int)
    again = program.post("/api/v1/connections/sync", json=connection_id)
    assert (again.status_code, "already" in again.text) == (409, True)
    until = time.monotonic() + 60
    while job["status"] in ("pending", "running", "incomplete") and time.monotonic() < until:
        time.sleep(0.2)
        whole = asked(program, "jobs/get/", {"id": job["id"]})
        job = whole["job"]
    assert job["status"] == "succeeded", whole
    (attempt,) = whole["attempts"]
    assert isinstance(attempt["logs"]["logLines"], list)
    counts = {
        each["streamName"]: each["stats"]["recordsCommitted"]
        for each in attempt["attempt"]["streamStats"]
    }
    assert counts["users"] == 50

    read = asked(program, "connections/get", connection_id)
    users = next(e for e in read["syncCatalog"]["streams"] if e["stream"]["name"] == "users")
    assert users["config"]["selected"] is True
    assert "id" in users["stream"]["jsonSchema"]["properties"]
    jobs = asked(
        program,
        "jobs/list",
        {"configTypes": ["sync"], "configId": connection["connectionId"], "pagination": {}},
    )
    assert [each["job"]["id"] for each in jobs["jobs"]] == [job["id"]]

    for each in read["syncCatalog"]["streams"]:
        each["config"]["selected"] = each["stream"]["name"] == "users"
    changed = asked(
        program,
        "web_backend/connections/update",
        {**connection_id, "syncCatalog": read["syncCatalog"]},
    )
    selected = [
        e["stream"]["name"] for e in changed["syncCatalog"]["streams"] if e["config"]["selected"]
    ]
    assert selected == ["users"]
    state = {
        "stateType": "stream",
        "streamState": [
            {"streamDescriptor": {"name": "users"}, "streamState": {"cursor": 2**60}},
        ],
    }
    body = {**connection_id, "connectionState": state}
    asked(program, "state/create_or_update_safe", body)
    kept = asked(program, "state/get", connection_id)
    assert {"streamDescriptor": {"name": "users"}, "streamState": {"cursor": 2**60}} in kept[
        "streamState"
    ]
    gone = program.post("/api/v1/connections/get", json={"connectionId": "nobody"})
    assert (gone.status_code, "errorId" in gone.json()) == (404, True)
