"""The PostgreSQL of the tests is real, private, and survives a crash."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.servers.postgres import PostgresDatabase, PostgresServer, server_near


def test_a_test_gets_a_database_of_its_own(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE visits (id int)", "INSERT INTO visits VALUES (1), (2)")
    assert postgres.rows("SELECT id FROM visits ORDER BY id") == [(1,), (2,)]
    assert postgres.rows("SELECT %s::text", ["100%"]) == [("100%",)]


def test_the_url_opens_the_same_database(postgres: PostgresDatabase) -> None:
    with psycopg.connect(postgres.url) as connection:
        found = connection.execute("SELECT current_database()").fetchone()
    assert found == (postgres.name,)


def test_a_wrong_password_is_refused(postgres: PostgresDatabase) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.conninfo, password="wrong")


def test_what_was_committed_outlives_a_crash(
    postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    postgres.run("CREATE TABLE visits AS SELECT generate_series(1, 1000) AS id")
    postgres_server.restart("immediate")
    assert postgres.rows("SELECT count(*) FROM visits") == [(1000,)]


def test_a_process_finds_the_server_by_a_folder_of_the_test(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    assert server_near(tmp_path / "warehouse") == postgres_server
