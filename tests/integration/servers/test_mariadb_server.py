"""The MariaDB of the tests is real, private, and survives a crash."""

from __future__ import annotations

from pathlib import Path

import pymysql
import pytest

from tests.servers.mariadb import MariaDatabase, MariaServer, mariadb_near


def test_a_test_gets_a_database_of_its_own(mariadb: MariaDatabase) -> None:
    mariadb.run("CREATE TABLE visits (id int)", "INSERT INTO visits VALUES (1), (2)")
    assert mariadb.rows("SELECT id FROM visits ORDER BY id") == [(1,), (2,)]
    assert mariadb.rows("SELECT %s", ["100%"]) == [("100%",)]


def test_a_wrong_password_is_refused(mariadb: MariaDatabase) -> None:
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        mariadb.as_user(mariadb.user, "wrong").connect()


def test_the_log_holds_whole_rows_with_the_names_of_columns(mariadb: MariaDatabase) -> None:
    query = "SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata"
    assert mariadb.rows(query) == [(1, "ROW", "FULL", "FULL")]


def test_what_was_committed_outlives_a_crash(
    mariadb: MariaDatabase, mariadb_server: MariaServer
) -> None:
    mariadb.run("CREATE TABLE visits AS SELECT seq FROM seq_1_to_1000")
    mariadb_server.restart()
    assert mariadb.rows("SELECT count(*) FROM visits") == [(1000,)]


def test_a_process_finds_the_server_by_a_folder_of_the_test(
    mariadb_server: MariaServer, tmp_path: Path
) -> None:
    assert mariadb_near(tmp_path / "warehouse") == mariadb_server
