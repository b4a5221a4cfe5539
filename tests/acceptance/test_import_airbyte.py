"""`penstock import airbyte`, as a person who moves runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import SCRIPTED, Terminal
from tests.acceptance.up import up
from tests.doubles.airbyte_server import (
    CLIENT,
    FAKER,
    MASK,
    POSTGRES,
    TOKEN,
    WORKSPACE,
    AirbyteServer,
    connection,
    definition,
    end,
    sid,
    stream,
)
from tests.doubles.airbyte_server import SCRIPTED as SCRIPTED_ID
from tests.doubles.vendor import serving

DUCKDB = "94bd199c-2ff0-4aa2-b98e-17f0acb72610"
SECRET = "canary-7d1a"
INCREMENTAL = {"syncMode": "incremental", "destinationSyncMode": "append"}


def there(folder: Path) -> AirbyteServer:
    def state(at: int) -> dict[str, object]:
        one = {"streamDescriptor": {"name": "items"}, "streamState": {"at": at}}
        return {"stateType": "stream", "streamState": [one]}

    cron = {"cronExpression": "0 30 5 * * ?", "cronTimeZone": "Europe/Berlin"}
    items = {"streams": [stream("items", **INCREMENTAL), stream("gone", selected=False)]}
    return AirbyteServer(
        workspaces=[
            {"workspaceId": WORKSPACE, "name": "Team", "dataResidency": "auto", "notifications": {}}
        ],
        sources=[
            end("source", 1, "shop", SCRIPTED_ID, type_="", rows=30, token=MASK),
            end("source", 2, "people", FAKER, type_="faker", count=7, parallelism=4),
        ],
        destinations=[
            end(
                "destination",
                3,
                "lake",
                DUCKDB,
                type_="duckdb",
                destinationType="duckdb",
                destination_path=str(folder / "out.duckdb"),
            )
        ],
        connections=[
            connection(
                11,
                "shop to lake",
                1,
                3,
                scheduleType="cron",
                scheduleData={"cron": cron},
                syncCatalog=items,
                prefix="a_",
                tags=[{"tagId": sid(50), "workspaceId": WORKSPACE, "name": "x", "color": "7c3aed"}],
            ),
            connection(12, "old", 1, 3, syncCatalog=items, prefix="b_"),
            connection(
                13,
                "people",
                2,
                3,
                scheduleType="basic",
                scheduleData={"basicSchedule": {"timeUnit": "hours", "units": 24}},
                syncCatalog={"streams": [stream("users")]},
                nonBreakingChangesPreference="disable",
            ),
        ],
        states={
            sid(11): state(20),
            sid(12): {"stateType": "legacy", "state": {"items": {"at": 20}}},
        },
        definitions={
            SCRIPTED_ID: definition(SCRIPTED_ID, "Scripted", "ours/source-scripted", "1.0"),
            FAKER: definition(FAKER, "Faker", "airbyte/source-faker", "7.2.1"),
            DUCKDB: definition(DUCKDB, "DuckDB", "airbyte/destination-duckdb", "0.6.1"),
            POSTGRES: definition(POSTGRES, "Postgres", "airbyte/destination-postgres", "3.0"),
        },
    )


@pytest.fixture
def airbyte(tmp_path: Path) -> Iterator[AirbyteServer]:
    with serving(there(tmp_path)) as server:
        assert isinstance(server, AirbyteServer)
        yield server


def prepared(terminal: Terminal) -> list[str]:
    """Adds the team's own connector here, and writes the secrets; returns the options."""
    document = {
        "version": 1,
        "workspace": "Team",
        "connectors": {
            "source-scripted": {
                "title": "Scripted",
                "origin": {"executable": f"{sys.executable} {SCRIPTED}"},
            }
        },
    }
    (terminal.folder / "penstock.yml").write_text(json.dumps(document))
    assert terminal.run("apply").status == 0
    secrets = terminal.folder / "secrets.yml"
    secrets.touch(mode=0o600)
    secrets.write_text(f"source/shop/token: {SECRET}\n")
    return ["--secrets", "secrets.yml"]


def test_a_dry_run_shows_what_would_be_made_and_makes_nothing(
    terminal: Terminal, airbyte: AirbyteServer
) -> None:
    prepared(terminal)
    words = ("--client-id", CLIENT[0], "--client-secret", CLIENT[1], "--dry-run")
    done = terminal.run("import", "airbyte", "--url", airbyte.url, *words)
    assert done.status == 0, done.err
    assert "+ connection shop to lake" in done.out
    assert "secrets to be given by --secrets: source/shop/token" in done.out
    assert "shop to lake continues from the 1 position(s)" in done.out
    assert "connections" not in terminal.run("export", "--workspace", "Team").out


def test_a_secret_that_nobody_gives_is_asked_for_by_name(
    terminal: Terminal, airbyte: AirbyteServer
) -> None:
    prepared(terminal)
    done = terminal.run("import", "airbyte", "--url", airbyte.url, "--airbyte-token", TOKEN)
    assert done.status == 2
    assert "source/shop/token" in done.err
    assert "--secrets" in done.err


def test_a_wrong_token_is_told_with_what_to_do(terminal: Terminal, airbyte: AirbyteServer) -> None:
    done = terminal.run("import", "airbyte", "--url", airbyte.url, "--airbyte-token", "wrong")
    assert done.status == 3
    assert "Applications" in done.err


def test_the_first_run_after_a_move_continues_where_airbyte_stopped(
    terminal: Terminal, airbyte: AirbyteServer
) -> None:
    options = prepared(terminal)
    words = ["import", "airbyte", "--url", airbyte.url, "--airbyte-token", TOKEN, *options]
    done = terminal.run(*words)
    assert done.status == 0, done.err
    assert SECRET not in done.out + done.err

    exported = json.loads(terminal.run("export", "--workspace", "Team", "--json").out)
    assert exported["sources"]["people"] == {"connector": "faker", "config": {"rows": 7}}
    assert exported["sources"]["shop"]["config"]["token"] == "${secret:source/shop/token}"
    assert exported["connections"]["shop to lake"] == {
        "source": "shop",
        "destination": "lake",
        "active": False,
        "schedule": {"cron": "0 30 5 * * ?", "time_zone": "Europe/Berlin"},
        "streams": [{"name": "items", "mode": "incremental_append"}],
        "prefix": "a_",
        "tags": ["x"],
    }
    assert exported["connections"]["people"]["schedule"] == {"every": "1d"}
    assert exported["connections"]["people"]["schema_policy"] == "disable_connection"

    again = terminal.run(*words)
    assert "Everything is as the file says." in again.out, again.out + again.err

    with up(terminal):
        for name, table, ids in (("shop to lake", "a_items", 10), ("old", "b_items", 10)):
            assert terminal.run("connection", "resume", name).status == 0
            ran = terminal.run("connection", "sync", name, "--wait")
            assert ran.status == 0, ran.out + ran.err
            (found,) = terminal.query(f"SELECT count(*), max(id) FROM {table}")
            assert found == (ids, 29)
        later = terminal.run(*words)
        assert "shop to lake has run here already: its position stays." in later.out, later.err
