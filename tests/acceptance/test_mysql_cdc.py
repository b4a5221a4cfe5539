"""Change data capture from MySQL (MariaDB), on the command line: what a user's tables then hold."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.servers.mariadb import MariaDatabase, running_mariadb

KINDS = """
CREATE TABLE kinds (id bigint PRIMARY KEY, code varchar(300) CHARACTER SET utf8mb4, old char(9)
    CHARACTER SET latin1, fee decimal(8,2), wide decimal(60,25), share double, little float,
    is_new tinyint(1), one bit(1), bits bit(12), year year, tiny tinyint unsigned, medium mediumint,
    huge bigint unsigned, day date, at timestamp(3) NULL, local datetime(6), plain datetime,
    hour time(2), colour enum('red','grün'), tags set('a','b','c'), extra json, raw varbinary(20),
    padded binary(8), body mediumtext CHARACTER SET utf8mb4, place point, token uuid,
    twice bigint AS (id * 2) STORED) DEFAULT CHARSET utf8mb4
"""
ROW = """
INSERT INTO kinds (id, code, old, fee, wide, share, little, is_new, one, bits, year, tiny, medium,
    huge, day, at, local, plain, hour, colour, tags, extra, raw, padded, body, place, token)
SELECT seq, concat('00', seq, 'पुणे'), 'façade ', seq / 4, -seq / 7, seq / 3, seq / 3, seq % 2,
    seq % 2, seq, 1990 + seq, 255 - seq, -seq, 18446744073709551615 - seq,
    '2024-02-01' + INTERVAL seq DAY, '2024-02-29 12:00:00.125' + INTERVAL seq SECOND,
    '2024-02-29 12:00' + INTERVAL seq MICROSECOND, '2024-02-29 12:00:01',
    sec_to_time(seq * 1000 - 20000.25), 1 + seq % 2, seq % 8, json_object('i', seq),
    unhex(md5(seq)), 'ab', repeat('long', seq), point(seq, 1), uuid()
  FROM seq_{}_to_{}
"""
IRREGULAR = (
    "SET sql_mode = ''",
    "UPDATE kinds SET day = '0000-00-00', plain = '2024-00-10', hour = '-101:00:00.5', tags = '',"
    " at = NULL, is_new = 7 WHERE id > 50",
)


class Mirror:
    """One database, one DuckDB file, and the sync between them."""

    def __init__(self, terminal: Terminal, database: MariaDatabase) -> None:
        self.terminal, self.database = terminal, database

    def words(self, **method: str) -> list[str]:
        database = self.database
        replication = {"method": "CDC", **method}
        values = {
            "host": database.host,
            "port": str(database.port),
            "username": database.user,
            "password": "${env:PW}",
            "databases": f'["{database.name}"]',
            **{f"replication_method.{key}": value for key, value in replication.items()},
        }
        self.terminal.environment["PW"] = database.password
        return [word for key, value in values.items() for word in (f"--source.{key}", value)]

    def sync(self, *more: str, path: str = "out.duckdb", **method: str) -> Any:
        words = ["sync", "mysql", "duckdb", *self.words(**method), *more]
        return self.terminal.run(*words, "--destination.path", path, "--json")

    def synced(self, *more: str, path: str = "out.duckdb", **method: str) -> list[int]:
        done = self.sync(*more, path=path, **method)
        assert done.status == 0, done.out + done.err
        receipt = json.loads(done.out.splitlines()[-1])["receipt"]
        return [stream.get("rows_read", 0) for stream in receipt["streams"]]

    def landed(self, table: str, columns: str = "*", path: str = "out.duckdb") -> list[Any]:
        return self.terminal.query(
            f'SELECT {columns} FROM "{self.database.name}".{table} ORDER BY id', path
        )


@pytest.fixture
def mirror(terminal: Terminal, mariadb: MariaDatabase) -> Mirror:
    return Mirror(terminal, mariadb)


@pytest.mark.parametrize("position", ["gtid", "file"])
def test_inserts_updates_and_deletes_arrive_and_the_table_equals_the_source(
    mirror: Mirror, position: str
) -> None:
    database = mirror.database
    database.run(
        "CREATE TABLE people (id int PRIMARY KEY, name varchar(20))",
        "INSERT INTO people SELECT seq, concat('n', seq) FROM seq_1_to_100",
    )
    assert mirror.synced(position=position) == [100]
    database.run(
        "UPDATE people SET name = 'new' WHERE id = 1",
        "DELETE FROM people WHERE id = 2",
        "INSERT INTO people VALUES (101, 'x')",
        "UPDATE people SET id = 300 WHERE id = 3",
        "INSERT INTO people VALUES (2, 'back')",
        "FLUSH BINARY LOGS",
        "UPDATE people SET name = 'after the file' WHERE id = 4",
    )
    assert mirror.synced(position=position) == [7]
    found = mirror.landed("people", "id, name")
    assert [tuple(row) for row in found] == database.rows("SELECT * FROM people ORDER BY id")
    assert mirror.synced(position=position) == [0]


def test_values_of_the_log_are_those_of_the_table(mirror: Mirror) -> None:
    database = mirror.database
    database.run(KINDS)
    assert mirror.synced() == [0]
    database.run(ROW.format(1, 50), ROW.format(51, 60), *IRREGULAR)
    assert mirror.synced() == [70]
    assert mirror.synced(path="whole.duckdb", method="STANDARD") == [60]
    both = [
        mirror.landed("kinds", "COLUMNS('^[^_]')", path) for path in ("out.duckdb", "whole.duckdb")
    ]
    assert len(both[0]) == 60
    assert both[0] == both[1]


def test_columns_and_tables_added_meanwhile_are_read(mirror: Mirror) -> None:
    database = mirror.database
    database.run(
        "CREATE TABLE a (id int PRIMARY KEY, gone varchar(5))", "INSERT INTO a VALUES (1, 'x')"
    )
    mirror.synced()
    database.run(
        "INSERT INTO a VALUES (2, 'y')",
        "ALTER TABLE a ADD COLUMN more int DEFAULT 7",
        "ALTER TABLE a DROP COLUMN gone",
        "INSERT INTO a VALUES (3, 8)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "INSERT INTO b VALUES (1), (2)",
    )
    mirror.synced()
    assert mirror.landed("a", "id, more")[1:] == [(2, 7), (3, 8)]
    assert mirror.landed("b", "id") == [(1,), (2,)]
    database.run("DELETE FROM b WHERE id = 1")
    mirror.synced()
    assert mirror.landed("b", "id") == [(2,)]


def test_a_truncated_table_is_emptied_and_goes_on(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    mirror.synced()
    database.run("INSERT INTO a VALUES (3)", "TRUNCATE a", "INSERT INTO a VALUES (1), (9)")
    mirror.synced()
    assert mirror.landed("a", "id") == [(1,), (9,)]
    database.run("TRUNCATE TABLE a")
    mirror.synced()
    assert mirror.landed("a", "id") == []


def test_a_truncated_table_is_refused_until_it_is_read_anew(mirror: Mirror) -> None:
    database = mirror.database
    database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    mirror.synced(truncates="refuse")
    database.run("INSERT INTO a VALUES (3)", "TRUNCATE a", "INSERT INTO a VALUES (9)")
    done = mirror.sync(truncates="refuse")
    assert done.status == 2
    assert f"{database.name}.a was truncated" in done.out
    mirror.synced("--full-refresh", truncates="refuse")
    assert mirror.landed("a", "id") == [(9,)]


def test_a_log_that_was_purged_is_refused_until_the_tables_are_read_anew(
    terminal: Terminal,
) -> None:
    with running_mariadb() as server:
        database = server.create_database("shop")
        mirror = Mirror(terminal, database)
        database.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
        mirror.synced()
        database.run("INSERT INTO a VALUES (2)", "FLUSH BINARY LOGS")
        last = database.rows("SHOW BINARY LOGS")[-1][0]
        deadline = time.monotonic() + 60
        while len(database.rows("SHOW BINARY LOGS")) > 1:
            database.run(f"PURGE BINARY LOGS TO '{last}'")
            assert time.monotonic() < deadline
            time.sleep(0.2)
        done = mirror.sync()
        assert done.status == 2, done.out
        assert "--full-refresh" in done.out
        mirror.synced("--full-refresh")
        assert mirror.landed("a", "id") == [(1,), (2,)]


def test_what_is_missing_is_told_with_the_sql_that_mends_it(terminal: Terminal) -> None:
    with running_mariadb(binlog_row_metadata="MINIMAL") as server:
        database = server.create_database("shop")
        database.run("CREATE TABLE a (id int PRIMARY KEY)")
        mirror = Mirror(terminal, database)
        checked = terminal.run("check", "source-mysql", *mirror.words())
        assert checked.status == 2
        assert "SET GLOBAL binlog_row_metadata = 'FULL'" in checked.err
        database.run(
            "SET GLOBAL binlog_row_metadata = 'FULL'",
            "CREATE USER weak IDENTIFIED BY 'pw'",
            "GRANT SELECT ON shop.* TO weak",
        )
        weak = Mirror(terminal, database.as_user("weak", "pw"))
        checked = terminal.run("check", "source-mysql", *weak.words())
        assert checked.status == 3
        assert "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO weak" in checked.err


def test_killed_at_any_moment_the_table_equals_the_source_in_the_end(mirror: Mirror) -> None:
    database, dice = mirror.database, random.Random(5)
    database.run(
        "CREATE TABLE a (id int PRIMARY KEY, n int, body varchar(60))",
        "INSERT INTO a SELECT seq, 0, repeat('x', 50) FROM seq_1_to_60000",
    )
    words = ["sync", "mysql", "duckdb", *mirror.words(), "--destination.path", "out.duckdb"]
    killed = 0
    for turn in range(6):
        database.run(
            f"UPDATE a SET n = n + 1 WHERE id % 7 < {turn + 2}",
            f"DELETE FROM a WHERE id % 11 = {turn}",
            f"INSERT INTO a SELECT seq, {turn}, 'new' FROM seq_{turn + 2}00000_to_{turn + 2}05000",
        )
        process = mirror.terminal.start(*words)
        time.sleep(dice.uniform(0.6, 1.4))
        killed += process.poll() is None
        process.kill()
        process.communicate()
    assert killed
    mirror.synced()
    found = mirror.landed("a", "id, n, body")
    assert found == database.rows("SELECT * FROM a ORDER BY id")
