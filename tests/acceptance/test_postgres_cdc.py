"""Change data capture from PostgreSQL, on the command line: what a user's tables then hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.servers.postgres import PostgresDatabase

KINDS = """
CREATE TABLE kinds (id bigint PRIMARY KEY, code text, fee numeric(8,2), wide numeric, share float8,
    little real, is_new boolean, day date, at timestamptz, local timestamp, hour time,
    length interval, tags text[], extra jsonb, token uuid, raw bytea, ip inet, price money,
    span int4range, twice bigint GENERATED ALWAYS AS (id * 2) STORED)
"""
ROW = """
INSERT INTO kinds SELECT i, '00' || i, i / 4.0, i / 7.0, i / 3.0, i / 3.0, i % 2 = 0,
    date '2024-02-01' + i, timestamptz '2024-02-29 12:00+05:30' + i * interval '1 us',
    timestamp '2024-02-29 12:00' + i * interval '1 us', time '10:00' + i * interval '1 us',
    i * interval '1 day 1 second', array[i::text, null, 'पुणे'], jsonb_build_object('i', i),
    md5(i::text)::uuid, decode(md5(i::text), 'hex'), '10.0.0.1', i, int4range(i, i + 5)
  FROM generate_series(%s, %s) AS i
"""
IRREGULAR = "UPDATE kinds SET day = 'infinity', at = '0044-03-15 12:00+00 BC', wide = 'NaN'"


class Mirror:
    """One database, one DuckDB file, and the sync between them."""

    def __init__(self, terminal: Terminal, database: PostgresDatabase) -> None:
        self.terminal, self.database = terminal, database
        self.slot = database.name[:40]

    def words(self, **method: str) -> list[str]:
        database = self.database
        replication = {"method": "CDC", "replication_slot": self.slot, **method}
        values = {
            "host": database.host,
            "port": str(database.port),
            "database": database.name,
            "username": database.user,
            "password": "${env:PW}",
            "schemas": '["public"]',
            **{f"replication_method.{key}": value for key, value in replication.items()},
        }
        self.terminal.environment["PW"] = database.password
        return [word for key, value in values.items() for word in (f"--source.{key}", value)]

    def sync(self, *more: str, **method: str) -> Any:
        words = ["sync", "postgres", "duckdb", *self.words(**method), *more]
        return self.terminal.run(*words, "--destination.path", "out.duckdb", "--json")

    def synced(self, *more: str, **method: str) -> list[int]:
        done = self.sync(*more, **method)
        assert done.status == 0, done.err
        receipt = json.loads(done.out.splitlines()[-1])["receipt"]
        return [stream["rows_read"] for stream in receipt["streams"]]


@pytest.fixture
def mirror(terminal: Terminal, postgres: PostgresDatabase) -> Any:
    made = Mirror(terminal, postgres)
    yield made
    postgres.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE database = '{postgres.name}'"
    )


def test_inserts_updates_and_deletes_arrive_and_the_table_equals_the_source(
    mirror: Mirror,
) -> None:
    database = mirror.database
    database.run("CREATE TABLE people (id int PRIMARY KEY, name text)")
    database.run("INSERT INTO people SELECT i, 'n' || i FROM generate_series(1, 100) AS i")
    assert mirror.synced() == [100]
    database.run(
        "UPDATE people SET name = 'new' WHERE id = 1",
        "DELETE FROM people WHERE id = 2",
        "INSERT INTO people VALUES (101, 'x')",
        "UPDATE people SET id = 300 WHERE id = 3",
        "INSERT INTO people VALUES (2, 'back')",
    )
    assert mirror.synced() == [6]
    found = mirror.terminal.query("SELECT id, name FROM public.people ORDER BY id")
    assert [tuple(row) for row in found] == database.rows("SELECT * FROM people ORDER BY id")
    assert mirror.synced() == [0]
