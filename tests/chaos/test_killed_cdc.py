"""Change data capture killed at any moment: the table equals the source in the end."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.testing.pytest_plugin import seed_of
from tests.chaos.syncs import DuckDBTarget, PostgresTarget, Sync, Target, ended, kill
from tests.servers.postgres import PostgresDatabase, PostgresServer

_LETS_GO_SECONDS = 60
_MOST_SECONDS = 1.5
"""About what a run takes: kills fall into its start, its first reading, the log, its end."""


@dataclass(frozen=True, slots=True)
class Source:
    """A database that changes, and the words that read its log."""

    database: PostgresDatabase

    @property
    def slot(self) -> str:
        return self.database.name[:40]

    def words(self) -> list[str]:
        database = self.database
        values = {
            "host": database.host,
            "port": str(database.port),
            "database": database.name,
            "username": database.user,
            "password": database.password,
            "schemas": '["public"]',
            "replication_method.method": "CDC",
            "replication_method.replication_slot": self.slot,
        }
        named = [word for key, value in values.items() for word in (f"--source.{key}", value)]
        return ["postgres", *named]

    def change(self, turn: int) -> None:
        """Updates, deletes, inserts, and moves keys; every turn others."""
        begin = (turn + 2) * 100_000
        self.database.run(
            f"UPDATE a SET n = n + 1 WHERE id % 7 < {turn % 6 + 1}",
            f"DELETE FROM a WHERE id % 97 = {turn % 97}",
            f"INSERT INTO a SELECT i, {turn}, 'new' FROM generate_series({begin}, {begin + 500}) i",
            f"UPDATE a SET id = -id WHERE id % 101 = {turn % 101}",
        )

    def wait_for_slot(self) -> None:
        """Waits until the server has noticed that the slot's reader is dead."""
        deadline = time.monotonic() + _LETS_GO_SECONDS
        query = "SELECT 1 FROM pg_replication_slots WHERE active AND slot_name = %s"
        while self.database.rows(query, (self.slot,)):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def source(postgres: PostgresDatabase) -> Iterator[Source]:
    made = Source(postgres)
    yield made
    made.wait_for_slot()
    postgres.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE database = '{postgres.name}'"
    )


@pytest.fixture(params=["duckdb", "postgres"])
def target(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer
) -> Iterator[Target]:
    if request.param == "duckdb":
        yield DuckDBTarget(tmp_path / "mirror.duckdb")
        return
    database = postgres_server.create_database()
    yield PostgresTarget(database, "public")
    postgres_server.drop_database(database)


def test_killed_at_any_moment_the_table_equals_the_source_in_the_end(
    tmp_path: Path, request: pytest.FixtureRequest, source: Source, target: Target
) -> None:
    rounds: int = request.config.getoption("--penstock-rounds")
    seed = seed_of(request.config)
    chance = random.Random(f"{seed} cdc")
    source.database.run(
        "CREATE TABLE a (id int PRIMARY KEY, n int, body text)",
        "INSERT INTO a SELECT i, 0, repeat('x', 50) FROM generate_series(1, 20000) AS i",
    )
    sync = Sync(home=tmp_path / "home", source=source.words(), target=target)
    killed = turn = 0
    while killed < max(3, rounds):
        child = sync.start()
        source.change(turn)
        time.sleep(chance.uniform(0.3, _MOST_SECONDS))
        if child.poll() is None:
            kill(child)
            killed += 1
        else:
            status, output = ended(child)
            assert status == 0, output
        source.wait_for_slot()
        turn += 1
        if turn % 10 == 0:
            sync.run()
            assert_equal(source, target, f"seed {seed}, turn {turn}")
    sync.run()
    assert_equal(source, target, f"seed {seed}, at the end")


def assert_equal(source: Source, target: Target, what: str) -> None:
    query = "SELECT id, n, body FROM public.a ORDER BY id"
    expected = source.database.rows(query)
    found = _rows(target, query)
    assert len(found) == len(expected), what
    assert found == expected, what


def _rows(target: Target, query: str) -> list[tuple[Any, ...]]:
    if isinstance(target, PostgresTarget):
        return target.database.rows(query)
    assert isinstance(target, DuckDBTarget)
    with duckdb.connect(str(target.path), read_only=True) as connection:
        return connection.execute(query).fetchall()
