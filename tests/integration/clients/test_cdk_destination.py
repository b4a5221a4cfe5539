"""A destination on the real airbyte-cdk, written to by penstock over its standard input."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from penstock.cli.main import run_command
from tests.integration.clients.conftest import Clients

pytestmark = [pytest.mark.network, pytest.mark.slow]

DESTINATION = '''#!PYTHON
"""Rows as JSON in SQLite, on the CDK's Destination class and command line."""
import json, sqlite3, sys
from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import AirbyteConnectionStatus, ConnectorSpecification
from airbyte_cdk.models import DestinationSyncMode, Status, Type


class SqliteDestination(Destination):
    def spec(self, logger):
        return ConnectorSpecification(
            connectionSpecification={
                "type": "object",
                "required": ["path"],
                "properties": {"path": {"type": "string"}},
            },
            supported_destination_sync_modes=[
                DestinationSyncMode.append, DestinationSyncMode.overwrite
            ],
        )

    def check(self, logger, config):
        sqlite3.connect(config["path"]).close()
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def write(self, config, configured_catalog, input_messages):
        database = sqlite3.connect(config["path"])
        for chosen in configured_catalog.streams:
            name = chosen.stream.name
            if chosen.destination_sync_mode == DestinationSyncMode.overwrite:
                database.execute(f"DROP TABLE IF EXISTS [{name}]")
            database.execute(f"CREATE TABLE IF NOT EXISTS [{name}] (data TEXT)")
        for message in input_messages:
            if message.type == Type.RECORD:
                record = message.record
                text = json.dumps(record.data)
                database.execute(f"INSERT INTO [{record.stream}] VALUES (?)", (text,))
            elif message.type == Type.STATE:
                database.commit()
                yield message
        database.commit()


SqliteDestination().run(sys.argv[1:])
'''


@pytest.fixture
def program(clients: Clients) -> Path:
    path = clients.folder / "destination-sqlite"
    path.write_text(DESTINATION.replace("PYTHON", str(clients.python)))
    path.chmod(0o755)
    return path


def ids(database: Path) -> list[int]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT data FROM users").fetchall()
    return sorted(json.loads(data)["id"] for (data,) in rows)


def test_a_destination_on_the_cdk_is_checked_written_to_and_continued(
    clients: Clients,
    program: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(clients.folder / "home"))
    database = clients.folder / "out.sqlite"
    there = [
        f"--destination-executable={program}",
        f"--destination.path={database}",
    ]
    assert run_command(["check", "destination-sqlite", *there]) == 0
    sync = ["sync", "faker", "destination-sqlite", *there, "--streams=users", "--connection=c"]
    rows = ["--source.state-every=100", "--source.rows"]
    append = "--mode=incremental_append"
    assert run_command([*sync, append, *rows, "250"]) == 0, capsys.readouterr().err
    assert ids(database) == list(range(1, 251))
    assert run_command([*sync, append, *rows, "300", "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out.splitlines()[-1])["receipt"]
    assert receipt["streams"][0]["rows_committed"] == 50
    assert ids(database) == list(range(1, 301))
    assert run_command([*sync, "--mode=full_refresh_overwrite", *rows, "40"]) == 0
    assert ids(database) == list(range(1, 41))
    assert run_command([*sync, "--mode=incremental_append_dedup", *rows, "40"]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_death_of_the_destination_is_told_with_its_last_words(
    clients: Clients,
    program: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(clients.folder / "home"))
    broken = program.read_text().replace(
        "                database.commit()\n                yield",
        "                raise RuntimeError('the disk is on fire')\n                yield",
    )
    program.write_text(broken)
    argv = ["sync", "faker", "destination-sqlite", f"--destination-executable={program}"]
    argv += [f"--destination.path={clients.folder}/out.sqlite", "--mode=incremental_append"]
    assert run_command(argv) == 8
    assert "the disk is on fire" in capsys.readouterr().err
