"""`penstock up` as people and programs meet it: over HTTP, from the first link to the proof."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.servers.up import Up, running

CANARY = "canary-7f3a-password"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("up")) as found:
        yield found


def test_a_source_a_destination_and_a_connection_move_rows_and_leave_proof(
    up: Up, tmp_path: Path
) -> None:
    source = up.connector("source-faker", {"rows": 500})
    warehouse = tmp_path / "warehouse.duckdb"
    destination = up.connector("destination-duckdb", {"path": str(warehouse)})
    probe = up.post("/probes/discover", {"source_id": source["id"]}, 202)
    assert up.ended(f"/probes/{probe['id']}")["status"] == "succeeded"
    connection = up.post(
        "/connections",
        {
            "workspace_id": up.workspace,
            "source_id": source["id"],
            "destination_id": destination["id"],
            "prefix": "f_",
            "streams": [
                {
                    "name": "users",
                    "mode": "full_refresh_overwrite",
                    "mappers": [
                        {"type": "hashing", "mapperConfiguration": {"targetField": "email"}}
                    ],
                }
            ],
            "runs_now": True,
        },
    )
    run = up.get(f"/runs?connection_id={connection['id']}")["items"][0]
    ended = up.ended(f"/runs/{run['id']}")
    assert (ended["status"], ended["rows_committed"]) == ("succeeded", 500), ended["failure"]
    (stream,) = up.get(f"/runs/{run['id']}/receipt")["streams"]
    counts = {stream["rows_read"], stream["rows_sent"], stream["rows_committed"]}
    assert counts == {500}
    with duckdb.connect(str(warehouse), read_only=True) as db:
        found = db.execute("SELECT count(*), min(length(email_hashed)) FROM f_users").fetchall()
    assert found == [(500, 64)]
    lines = up.get(f"/runs/{run['id']}/attempts/1/log")["items"]
    assert lines
    kinds = [each["kind"] for each in up.get(f"/events?connection_id={connection['id']}")["items"]]
    assert kinds == ["run.succeeded", "run.queued", "connection.created"]


def test_a_failing_check_says_what_to_do(up: Up, tmp_path: Path) -> None:
    config = {"streams": [{"name": "x", "path": str(tmp_path / "nothing.csv")}]}
    body = {
        "workspace_id": up.workspace,
        "definition_id": up.definition("source-file"),
        "config": config,
    }
    probe = up.post("/probes/check", body, 202)
    answer = up.ended(f"/probes/{probe['id']}")
    assert answer["status"] == "failed"
    assert "nothing.csv" in answer["failure"]["message"]
    assert answer["failure"]["remedy"]


def test_settings_that_do_not_fit_are_told_by_place(up: Up) -> None:
    body = {
        "workspace_id": up.workspace,
        "definition_id": up.definition("source-faker"),
        "name": "wrong",
        "config": {"rows": "many"},
    }
    answer = up.client.post("/sources", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "rows" in answer.json()["detail"]


def test_a_secret_is_masked_and_kept_when_the_mask_comes_back(up: Up) -> None:
    config = {
        "host": "127.0.0.1",
        "port": 1,
        "database": "d",
        "username": "u",
        "password": CANARY,
    }
    made = up.connector("destination-postgres", config)
    assert CANARY not in str(made)
    assert made["config"]["password"] == "**********"
    path = f"/destinations/{made['id']}"
    answer = up.client.patch(path, json={"config": {**made["config"], "database": "e"}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["config"] == {**made["config"], "database": "e"}
    assert CANARY not in up.client.get(path).text


@pytest.mark.parametrize("body", [{"kind": "cron", "cron": "0 6 * * 1-5"}])
def test_the_next_five_times_of_a_schedule_are_shown(up: Up, body: dict[str, Any]) -> None:
    assert len(up.post("/connections/preview-schedule", body, 200)["items"]) == 5


def test_nobody_gets_in_without_signing_in(up: Up) -> None:
    with httpx.Client(base_url=up.client.base_url) as stranger:
        answer = stranger.get("/sources")
        assert answer.status_code == 401
        assert answer.json()["code"] == "not_signed_in"
        again = stranger.post("/session", json={"link": up.link})
        assert again.status_code == 401, "a link works once"
        assert stranger.get("/health").status_code == 200


def test_a_foreign_page_changes_nothing(up: Up) -> None:
    cookies = dict(up.client.cookies)
    with httpx.Client(base_url=up.client.base_url, cookies=cookies) as foreign:
        assert foreign.get("/session").status_code == 200
        assert foreign.post("/probes/check", json={}).status_code == 403
        token = {"x-penstock-csrf": up.client.headers["x-penstock-csrf"]}
        answer = foreign.post(
            "/probes/check", json={}, headers={**token, "origin": "https://evil.example"}
        )
        assert answer.status_code == 403


def test_another_host_name_is_refused(up: Up) -> None:
    answer = httpx.get(f"{up.address}/api/v1/health", headers={"host": "evil.example"})
    assert answer.status_code == 421


def test_a_second_server_on_the_same_folder_is_refused(up: Up, tmp_path: Path) -> None:
    del tmp_path
    folder = next(
        Path(word) for word in up.process.args if str(word).startswith("/") and "up" in word
    )
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli", "up", "--port", "0", "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert "running" in done.stderr
