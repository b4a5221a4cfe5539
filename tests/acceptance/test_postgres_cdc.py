"""Change data capture from PostgreSQL, on the command line: what a user's tables then hold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
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
  FROM generate_series({}, {}) AS i
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
        if replication["method"] == "Xmin":
            replication = {"method": "Xmin"}
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
        path = "whole.duckdb" if method.get("method") else "out.duckdb"
        return self.terminal.run(*words, "--destination.path", path, "--json")

    def confirmed(self) -> str:
        """Where the slot stands: changes before it are let go."""
        query = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
        return str(self.database.rows(query, (self.slot,))[0][0])

    def synced(self, *more: str, **method: str) -> list[int]:
        done = self.sync(*more, **method)
        assert done.status == 0, done.err
        receipt = json.loads(done.out.splitlines()[-1])["receipt"]
        return [stream.get("rows_read", 0) for stream in receipt["streams"]]


@pytest.fixture
def mirror(terminal: Terminal, postgres: PostgresDatabase) -> Iterator[Mirror]:
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


def test_a_first_reading_over_several_connections_is_of_one_moment(mirror: Mirror) -> None:
    database = mirror.database
    database.run(
        "CREATE TABLE a (id int PRIMARY KEY, body text)",
        "INSERT INTO a SELECT i, repeat('x', 500) FROM generate_series(1, 20000) AS i",
    )
    several = ("--source.connections", "3", "--source.page_blocks", "100")
    assert mirror.synced(*several) == [20_000]
    database.run("DELETE FROM a WHERE id % 2 = 0")
    assert mirror.synced(*several) == [10_000]
    assert mirror.terminal.query("SELECT count(*), sum(id % 2) FROM public.a") == [(10_000, 10_000)]


def test_values_of_the_log_are_those_of_the_table(mirror: Mirror) -> None:
    database = mirror.database
    database.run(KINDS)
    assert mirror.synced() == [0]
    database.run(ROW.format(1, 50), ROW.format(51, 60))
    database.run(IRREGULAR + " WHERE id > 50")
    assert mirror.synced() == [70]
    assert mirror.synced(method="Xmin") == [60]
    both = [
        mirror.terminal.query("SELECT COLUMNS('^[^_]') FROM public.kinds ORDER BY id", path)
        for path in ("out.duckdb", "whole.duckdb")
    ]
    assert len(both[0]) == 60
    assert both[0] == both[1]


def test_a_long_value_that_an_update_left_alone_stays(mirror: Mirror) -> None:
    database = mirror.database
    database.run(
        "CREATE TABLE notes (id int PRIMARY KEY, title text, body text)",
        "ALTER TABLE notes ALTER body SET STORAGE EXTERNAL",
        "INSERT INTO notes SELECT i, 'a', repeat('100% ' || i, 5000) FROM generate_series(1, 3) i",
        "CREATE TABLE whole (id int PRIMARY KEY, title text, body text)",
        "ALTER TABLE whole ALTER body SET STORAGE EXTERNAL, REPLICA IDENTITY FULL",
        "INSERT INTO whole SELECT * FROM notes",
    )
    mirror.synced()
    database.run(
        "UPDATE notes SET title = 'b' WHERE id < 3",
        "UPDATE notes SET id = 30 WHERE id = 3",
        "DELETE FROM notes WHERE id = 2",
        "UPDATE whole SET title = 'b'",
    )
    mirror.synced()
    for table in ("notes", "whole"):
        found = mirror.terminal.query(f"SELECT id, title, body FROM public.{table} ORDER BY id")
        assert found == database.rows(f"SELECT * FROM {table} ORDER BY id")


def test_columns_and_tables_added_meanwhile_are_read(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY, gone text)", "INSERT INTO a VALUES (1, 'x')")
    mirror.synced()
    database.run(
        "INSERT INTO a VALUES (2, 'y')",
        "ALTER TABLE a ADD COLUMN more int DEFAULT 7",
        "ALTER TABLE a DROP COLUMN gone",
        "INSERT INTO a VALUES (3, 8)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "INSERT INTO b VALUES (1), (2)",
    )
    done = mirror.sync()
    assert done.status == 0, done.err
    found = mirror.terminal.query("SELECT id, more FROM public.a WHERE id > 1 ORDER BY id")
    assert found == [(2, 7), (3, 8)]
    assert mirror.terminal.query("SELECT count(*) FROM public.b") == [(2,)]


def test_a_truncated_table_is_emptied_and_goes_on(mirror: Mirror) -> None:
    database = mirror.database
    database.run(
        "CREATE TABLE a (id int PRIMARY KEY)",
        "INSERT INTO a VALUES (1), (2)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "INSERT INTO b VALUES (7)",
    )
    mirror.synced()
    database.run("INSERT INTO a VALUES (3)", "TRUNCATE a", "INSERT INTO a VALUES (1), (9)")
    mirror.synced()
    assert mirror.terminal.query("SELECT id FROM public.a ORDER BY id") == [(1,), (9,)]
    assert mirror.terminal.query("SELECT id FROM public.b") == [(7,)]
    database.run("TRUNCATE a")
    mirror.synced()
    assert mirror.terminal.query("SELECT count(*) FROM public.a") == [(0,)]


def test_a_truncated_table_is_refused_until_it_is_read_anew(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    mirror.synced(truncates="refuse")
    database.run("INSERT INTO a VALUES (3)", "TRUNCATE a", "INSERT INTO a VALUES (9)")
    done = mirror.sync(truncates="refuse")
    assert done.status == 2
    assert "public.a was truncated" in done.out
    mirror.synced("--full-refresh", truncates="refuse")
    assert mirror.terminal.query("SELECT id FROM public.a") == [(9,)]


def test_a_slot_that_is_gone_or_moved_is_refused(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    mirror.synced()
    make = f"SELECT pg_create_logical_replication_slot('{mirror.slot}', 'pgoutput')"
    database.run(f"SELECT pg_drop_replication_slot('{mirror.slot}')", "INSERT INTO a VALUES (2)")
    gone = mirror.sync()
    database.run(make)
    moved = mirror.sync()
    assert (gone.status, moved.status) == (2, 2)
    assert "is gone" in gone.out
    assert "was moved" in moved.out
    mirror.synced("--full-refresh")
    assert mirror.terminal.query("SELECT id FROM public.a ORDER BY id") == [(1,), (2,)]


def test_a_slot_that_lost_its_log_says_how_to_begin_anew(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    mirror.synced()
    database.run("DELETE FROM a WHERE id = 1")
    database.run(
        "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'",
        "SELECT pg_reload_conf()",
        "CREATE TABLE filler (n int)",
    )
    try:
        query = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"
        deadline = time.monotonic() + 60
        while database.rows(query, (mirror.slot,)) != [("lost",)]:
            assert time.monotonic() < deadline
            database.run("INSERT INTO filler VALUES (1)", "SELECT pg_switch_wal()", "CHECKPOINT")
        done = mirror.sync()
    finally:
        database.run("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
    assert done.status == 2
    assert "is lost" in done.out
    assert "--full-refresh" in done.out
    drop = f"SELECT pg_drop_replication_slot('{mirror.slot}')"
    assert drop in done.out
    database.run(drop, "DROP TABLE filler")
    mirror.synced("--full-refresh")
    assert mirror.terminal.query("SELECT id FROM public.a") == [(2,)]


def test_a_heartbeat_is_run_before_the_log_is_read(mirror: Mirror) -> None:
    mirror.database.run(
        "CREATE TABLE beat (id int PRIMARY KEY, n int)", "INSERT INTO beat VALUES (1, 0)"
    )
    for _ in range(2):
        mirror.synced(heartbeat_action_query="UPDATE beat SET n = n + 1")
    assert mirror.terminal.query("SELECT n FROM public.beat") == [(2,)]


def test_what_is_missing_is_told_with_the_sql_that_mends_it(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)")
    checked = mirror.terminal.run("check", "source-postgres", *mirror.words(setup="check"))
    assert checked.status == 2
    assert f"pg_create_logical_replication_slot('{mirror.slot}'" in checked.err
    done = mirror.sync(setup="check")
    assert done.status == 2
    assert "CREATE PUBLICATION" in done.out
    assert database.rows("SELECT count(*) FROM pg_publication") == [(0,)]


def test_the_slot_is_confirmed_by_a_state_that_came_back_and_moves_when_nothing_changes(
    mirror: Mirror,
) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    mirror.synced()
    made_at = mirror.confirmed()
    database.run("INSERT INTO a VALUES (2)", "CREATE TABLE unseen AS SELECT 1 AS x")
    mirror.synced("--streams", "a")
    assert mirror.confirmed() != made_at
    read_up_to = mirror.confirmed()
    rows = database.rows("SELECT %s::pg_lsn < pg_current_wal_lsn()", (read_up_to,))
    assert rows == [(True,)]
    mirror.synced("--streams", "a")
    assert mirror.confirmed() != read_up_to
