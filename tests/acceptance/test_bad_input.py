"""What is odd, too much or forbidden, from PostgreSQL into PostgreSQL on the command line.

Each ends in the values as they were, in a change that is recorded, or in an error with a remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from tests.acceptance.conftest import Done, Terminal
from tests.servers.postgres import PostgresDatabase, PostgresServer

META = "('_airbyte_raw_id', '_airbyte_extracted_at', '_airbyte_meta', '_airbyte_generation_id')"


@dataclass(frozen=True)
class Pair:
    """Two databases of one server, and the sync between them."""

    terminal: Terminal
    here: PostgresDatabase
    there: PostgresDatabase

    def sync(self, *more: str, **destination: str) -> Done:
        self.terminal.environment["PW"] = self.here.password
        words = ["sync", "postgres", "postgres", "--source.schemas", '["public"]']
        words += _settings("source", self.here)
        words += _settings("destination", self.there, **destination)
        return self.terminal.run(*words, "--connection", "odd", "--json", *more)

    def synced(self, *more: str) -> None:
        done = self.sync(*more)
        assert done.status == 0, done.out + done.err

    def columns(self, table: str) -> list[str]:
        """The columns of a table there, without penstock's own, in their order."""
        rows = self.there.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
            f" AND table_name = %s AND column_name NOT IN {META} ORDER BY ordinal_position",
            (table,),
        )
        return [name for (name,) in rows]

    def tables(self) -> list[str]:
        rows = self.there.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND table_name NOT LIKE '\\_penstock%' ORDER BY table_name"
        )
        return [name for (name,) in rows]

    def changes(self, table: str) -> list[Any]:
        """What is recorded of each row, in the order of its first column."""
        rows = self.there.rows(f"SELECT _airbyte_meta->'changes' FROM {table} ORDER BY 1")
        return [changes for (changes,) in rows]


@pytest.fixture
def pair(
    terminal: Terminal, postgres: PostgresDatabase, postgres_server: PostgresServer
) -> Iterator[Pair]:
    there = postgres_server.create_database()
    yield Pair(terminal, postgres, there)
    postgres_server.drop_database(there)


def _settings(side: str, database: PostgresDatabase, **others: str) -> list[str]:
    values = {
        "host": database.host,
        "port": str(database.port),
        "database": database.name,
        "username": database.user,
        "password": "${env:PW}",
        **others,
    }
    return [word for key, value in values.items() for word in (f"--{side}.{key}", value)]


def _said(done: Done) -> str:
    """All that a failed sync said; JSON with its escapes taken away."""
    return (done.out + done.err).replace('\\"', '"')


def test_as_many_columns_as_a_table_can_have_arrive(pair: Pair) -> None:
    names = ", ".join(f"c{number} smallint" for number in range(1_596))
    pair.here.run(f"CREATE TABLE wide ({names})", "INSERT INTO wide (c0, c1595) VALUES (1, 2)")
    pair.synced()
    assert len(pair.columns("wide")) == 1_596
    assert pair.there.rows("SELECT c0, c1, c1595 FROM wide") == [(1, None, 2)]


def test_1600_columns_are_one_too_many_and_said_to_be(pair: Pair) -> None:
    names = ", ".join(f"c{number} smallint" for number in range(1_600))
    pair.here.run(f"CREATE TABLE wide ({names})", "INSERT INTO wide (c0) VALUES (1)")
    done = pair.sync()
    assert done.status == 2, done.out
    assert "at most 1600 columns" in _said(done)
    assert "Leave columns out" in _said(done)


def test_reserved_mixed_and_emoji_names_keep_their_values_apart(pair: Pair) -> None:
    pair.here.run(
        'CREATE TABLE "select" (id int PRIMARY KEY, "order" int, "Mixed Case" int,'
        ' "mixed case" int, "MIXED CASE" int, "😀" int, "😁" int, "ชื่อ" int, "a;b--" int)',
        'INSERT INTO "select" VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9)',
        'CREATE TABLE "😀 table" (id int)',
        'INSERT INTO "😀 table" VALUES (1), (2)',
    )
    pair.synced()
    names = pair.columns("select")
    assert len(set(names)) == 9
    asked = ", ".join(f'"{name}"' for name in names)
    assert pair.there.rows(f'SELECT {asked} FROM "select"') == [tuple(range(1, 10))]
    (emoji,) = [name for name in pair.tables() if name != "select"]
    assert pair.there.rows(f'SELECT count(*) FROM "{emoji}"') == [(2,)]


def test_two_tables_that_would_become_one_are_refused_by_name(pair: Pair) -> None:
    pair.here.run('CREATE TABLE "😀 table" (id int)', 'CREATE TABLE "😁 table" (id int)')
    done = pair.sync()
    assert done.status == 2, done.out
    assert "😀 table" in _said(done)
    assert "😁 table" in _said(done)
    assert "--prefix" in _said(done)
    assert pair.tables() == []


def test_names_of_200_characters_are_cut_and_stay_apart(pair: Pair) -> None:
    long = "a" * 199
    path = pair.terminal.folder / "long.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'CREATE TABLE "{long}t" ("{long}x" INTEGER, "{long}y" INTEGER)')
        connection.execute(f'INSERT INTO "{long}t" VALUES (1, 2)')
        connection.execute(f'CREATE TABLE "{long}u" (a INTEGER)')
    pair.terminal.environment["PW"] = pair.there.password
    words = ["sync", "duckdb", "postgres", "--source.path", str(path)]
    done = pair.terminal.run(*words, *_settings("destination", pair.there))
    assert done.status == 0, done.err
    tables = pair.tables()
    assert len(tables) == 2
    assert all(len(name.encode()) <= 63 for name in tables)
    wide = next(name for name in tables if len(pair.columns(name)) == 2)
    first, second = pair.columns(wide)
    assert pair.there.rows(f'SELECT "{first}", "{second}" FROM "{wide}"') == [(1, 2)]


def test_a_dropped_and_a_retyped_column_lose_nothing(pair: Pair) -> None:
    pair.here.run(
        "CREATE TABLE t (id int PRIMARY KEY, gone text, kind int)",
        "INSERT INTO t VALUES (1, 'kept', 7)",
    )
    pair.synced()
    pair.here.run(
        "ALTER TABLE t DROP COLUMN gone",
        "ALTER TABLE t ALTER COLUMN kind TYPE text USING 'k' || kind",
        "INSERT INTO t VALUES (2, 'k8')",
    )
    pair.synced()
    found = pair.there.rows("SELECT id, gone, kind FROM t ORDER BY id")
    assert found[1] == (2, None, "k8")
    assert found[0] in ((1, "kept", "7"), (1, None, "k7"))
    assert pair.changes("t") == [[], []]


def test_a_view_is_read_like_a_table(pair: Pair) -> None:
    pair.here.run("CREATE VIEW v AS SELECT i AS id FROM generate_series(1, 3) AS i")
    pair.synced("--mode", "full_refresh_overwrite")
    assert pair.there.rows("SELECT count(*) FROM v") == [(3,)]


def test_a_view_in_the_place_of_the_table_is_named(pair: Pair) -> None:
    pair.here.run("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    pair.there.run("CREATE VIEW t AS SELECT 1 AS id")
    done = pair.sync()
    assert done.status == 2, done.out
    assert '"t" already exists' in _said(done) or '"t" is not a table' in _said(done)
    assert "Rename or drop the object in the way" in _said(done)


def test_no_right_to_create_is_told_with_the_grant(pair: Pair) -> None:
    role = f"guest_{pair.here.name[-12:]}"
    password = pair.here.password.replace("'", "''")
    pair.here.run("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    pair.there.run(
        f"CREATE ROLE {role} LOGIN PASSWORD '{password}'",
        "REVOKE CREATE ON SCHEMA public FROM public",
    )
    done = pair.sync(username=role)
    assert done.status == 3, done.out
    assert "permission denied" in _said(done)
    assert f"TO {role}" in _said(done)
    pair.there.run(f"DROP ROLE {role}")


def test_wrong_time_zones_and_date_styles_change_no_value(pair: Pair) -> None:
    for database in (pair.here, pair.there):
        database.run(
            f"ALTER DATABASE \"{database.name}\" SET timezone = 'Asia/Kolkata'",
            f"ALTER DATABASE \"{database.name}\" SET datestyle = 'German'",
            f"ALTER DATABASE \"{database.name}\" SET intervalstyle = 'sql_standard'",
        )
    pair.here.run(
        "CREATE TABLE t (at timestamptz, local timestamp, day date)",
        "INSERT INTO t VALUES ('2024-03-31T00:30:00Z', '2024-03-31T02:30:00.000001', '2024-02-01')",
    )
    pair.synced()
    query = (
        "SELECT extract(epoch FROM at), extract(epoch FROM local), day - date '2024-01-01' FROM t"
    )
    assert pair.there.rows(query) == pair.here.rows(query)


def test_a_numeric_beyond_all_precision_is_text_to_the_last_digit(pair: Pair) -> None:
    digits = "9" * 60 + "." + "1" * 40
    pair.here.run("CREATE TABLE t (n numeric)", f"INSERT INTO t VALUES ({digits}), ('NaN')")
    pair.synced()
    assert pair.there.rows("SELECT n FROM t ORDER BY 1") == [(digits,), ("NaN",)]


def test_a_numeric_that_was_to_be_a_decimal_is_recorded_where_it_does_not_fit(pair: Pair) -> None:
    pair.here.run(
        "CREATE TABLE t (n numeric)",
        f"INSERT INTO t VALUES (1.5), (0.12345678901), ({'9' * 60})",
    )
    pair.synced("--source.wide_numerics", "decimal")
    found = pair.there.rows(
        "SELECT n::text, _airbyte_meta->'changes'->0->>'change' FROM t ORDER BY n NULLS LAST"
    )
    assert [(n, change) for n, change in found] == [
        ("0.123456789", "TRUNCATED"),
        ("1.500000000", None),
        (None, "NULLED"),
    ]
