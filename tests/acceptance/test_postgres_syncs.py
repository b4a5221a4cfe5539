"""PostgreSQL on the command line: from it and into it, proved, and its password never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.servers.postgres import PostgresDatabase, PostgresServer

PASSWORD = "canary-in-a-mine-7"


@pytest.fixture
def database(postgres_server: PostgresServer, postgres: PostgresDatabase) -> PostgresDatabase:
    del postgres_server
    postgres.run(
        f"CREATE ROLE miner_{postgres.name[-12:]} LOGIN PASSWORD '{PASSWORD}' SUPERUSER",
        "CREATE TABLE visits (id bigint PRIMARY KEY, city text, fee numeric(8,2), at timestamptz)",
        "INSERT INTO visits SELECT i, 'पुणे', i / 4.0, '2024-02-29 12:00+05:30'"
        " FROM generate_series(1, 5000) AS i",
    )
    return postgres


def settings(side: str, database: PostgresDatabase, *, password: str = PASSWORD) -> list[str]:
    values = {
        "host": database.host,
        "port": str(database.port),
        "database": database.name,
        "username": f"miner_{database.name[-12:]}",
        "password": password,
    }
    return [word for key, value in values.items() for word in (f"--{side}.{key}", value)]


def holds_password(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if PASSWORD.encode() in path.read_bytes()]


def test_a_table_moves_with_proof_and_then_only_what_changed(
    terminal: Terminal, database: PostgresDatabase
) -> None:
    words = ["sync", "postgres", "duckdb", *settings("source", database, password="${env:PW}")]
    words += ["--source.schemas", '["public"]', "--destination.path", "out.duckdb", "--json"]
    terminal.environment["PW"] = PASSWORD
    first = terminal.run(*words)
    assert first.status == 0, first.err
    database.run("UPDATE visits SET fee = 0 WHERE id = 7", "INSERT INTO visits VALUES (5001)")
    second = terminal.run(*words)
    receipts = [json.loads(done.out.splitlines()[-1])["receipt"] for done in (first, second)]
    read = [[stream["rows_read"] for stream in receipt["streams"]] for receipt in receipts]
    assert read == [[5000], [2]]
    found = terminal.query('SELECT count(*), sum(fee), min(epoch("at")) FROM public.visits')
    expected = database.rows("SELECT count(*), sum(fee), min(extract(epoch FROM at)) FROM visits")
    assert [float(str(value)) for value in found[0]] == [float(value) for value in expected[0]]
    assert PASSWORD not in first.out + first.err + second.out + second.err
    assert holds_password(terminal.folder) == []


def test_rows_of_the_faker_land_in_postgres(terminal: Terminal, database: PostgresDatabase) -> None:
    words = ["sync", "faker", "postgres", "--source.rows", "3000", "--streams", "users"]
    words += [*settings("destination", database, password="${env:PW}"), "--destination.schema", "x"]
    terminal.environment["PW"] = PASSWORD
    done = terminal.run(*words)
    assert done.status == 0, done.err
    assert database.rows("SELECT count(*), count(DISTINCT id) FROM x.users") == [(3000, 3000)]
    assert PASSWORD not in done.out + done.err
    assert holds_password(terminal.folder) == []


def test_a_wrong_password_ends_with_status_3_and_is_not_shown(
    terminal: Terminal, database: PostgresDatabase
) -> None:
    for kind, side in (("source", "source"), ("destination", "destination")):
        wrong = settings(side, database, password=PASSWORD[::-1])
        done = terminal.run("check", f"{kind}-postgres", *wrong)
        assert done.status == 3, done.err
        assert "password authentication failed" in done.err
        assert "Correct `username` and `password`" in done.err
        assert PASSWORD[::-1] not in done.out + done.err
