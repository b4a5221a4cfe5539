"""What a user of the MySQL source gets, on a real MariaDB server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from penstock.errors import AccessDenied, ConfigError, StateOutdated
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.mysql import MySQLSource, MySQLSourceConfig
from penstock.sources.mysql.stream import MySQLStream
from tests.servers.mariadb import MariaDatabase


def source_of(database: MariaDatabase, **others: Any) -> MySQLSource:
    known: dict[str, Any] = {"databases": (database.name,), **others}
    return MySQLSource(
        MySQLSourceConfig(
            host=database.host,
            port=database.port,
            username=database.user,
            password=database.password,
            **known,
        )
    )


def stream_of(database: MariaDatabase, name: str, **others: Any) -> MySQLStream:
    found = [each for each in source_of(database, **others).streams() if each.name == name]
    assert isinstance(found[0], MySQLStream)
    return found[0]


def read(stream: MySQLStream, **request: Any) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    """Returns the rows and the last state of one reading."""
    rows: list[dict[str, Any]] = []
    state: Mapping[str, Any] = {}
    for item in stream.read(ReadRequest(**{"mode": SyncMode.INCREMENTAL, **request})):
        if isinstance(item, State):
            state = item.value
        else:
            rows += item.to_pylist()
    return rows, state


def test_rows_with_the_last_value_of_a_cursor_are_never_lost(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE visits (id int PRIMARY KEY, at datetime(6) NULL)",
        "INSERT INTO visits VALUES (1, NULL), (2, '2024-02-29 12:00:00.000001'),"
        " (3, '2024-02-29 12:00:00.000001')",
    )
    stream = stream_of(mariadb, "visits")
    rows, state = read(stream, cursor=("at",))
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert state == {"cursor": "at", "value": "2024-02-29 12:00:00.000001"}
    mariadb.run("INSERT INTO visits VALUES (4, '2024-02-29 12:00:00.000001')")
    rows, _ = read(stream, cursor=("at",), state=state)
    assert [row["id"] for row in rows] == [2, 3, 4]


def test_a_key_of_texts_and_bytes_is_continued_behind(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE parts (name varchar(20), raw varbinary(4), n bigint unsigned,"
        " PRIMARY KEY (name, raw)) DEFAULT CHARSET utf8mb4",
        "INSERT INTO parts VALUES ('it''s \\\\', x'00ff', 18446744073709551615),"
        " ('it''s \\\\', x'01', 2), ('पुणे', x'', 3)",
    )
    stream = stream_of(mariadb, "parts")
    state = {"key": ["name", "raw"], "after": ["it's \\", "00ff"]}
    for known in (state, {**state, "rows": 1}):
        rows, _ = read(stream, mode=SyncMode.FULL_REFRESH, state=known)
        assert [int(row["n"]) for row in rows] == [2, 3]
    for sent in (0, 2):
        with pytest.raises(StateOutdated, match="were added or went"):
            read(stream, mode=SyncMode.FULL_REFRESH, state={**state, "rows": sent})


def test_a_wide_key_is_compared_to_its_last_digit(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE wide (id bigint unsigned PRIMARY KEY)",
        "INSERT INTO wide VALUES (18446744073709551613), (18446744073709551614),"
        " (18446744073709551615)",
    )
    state = {"key": ["id"], "after": ["18446744073709551614"]}
    rows, _ = read(stream_of(mariadb, "wide"), mode=SyncMode.FULL_REFRESH, state=state)
    assert [int(row["id"]) for row in rows] == [18446744073709551615]


def test_a_state_with_sql_in_it_is_refused(mariadb: MariaDatabase) -> None:
    mariadb.run("CREATE TABLE visits (id int PRIMARY KEY)")
    state = {"key": ["id"], "after": ["1 OR 1=1"]}
    with pytest.raises(ConfigError, match="no value of column id"):
        read(stream_of(mariadb, "visits"), mode=SyncMode.FULL_REFRESH, state=state)


def test_values_without_a_place_in_their_kind_come_as_text(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE odd (id int PRIMARY KEY, day date, long_time time, flag tinyint(1))",
        "SET sql_mode = ''",
        "INSERT INTO odd VALUES (1, '0000-00-00', '-101:00:00', 7)",
    )
    rows, _ = read(stream_of(mariadb, "odd"), mode=SyncMode.FULL_REFRESH)
    assert rows == [{"id": 1, "day": "0000-00-00", "long_time": "-101:00:00", "flag": "7"}]


def test_tiny_integers_are_integers_where_that_is_wished(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE tiny (id int PRIMARY KEY, flag tinyint(1), one bit(1))",
        "INSERT INTO tiny VALUES (1, 7, b'1')",
    )
    stream = stream_of(mariadb, "tiny", tiny_integers="integer")
    rows, _ = read(stream, mode=SyncMode.FULL_REFRESH)
    assert rows == [{"id": 1, "flag": 7, "one": 1}]


def test_a_view_is_read_by_a_cursor_and_asks_for_one(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE visits (id int PRIMARY KEY)",
        "INSERT INTO visits VALUES (1), (2)",
        "CREATE VIEW seen AS SELECT id FROM visits",
    )
    stream = stream_of(mariadb, "seen")
    rows, _ = read(stream, cursor=("id",))
    assert [row["id"] for row in rows] == [1, 2]
    with pytest.raises(ConfigError, match="needs a cursor"):
        read(stream)


def test_an_empty_table_has_columns_of_its_kinds(mariadb: MariaDatabase) -> None:
    mariadb.run("CREATE TABLE visits (id int PRIMARY KEY, at time(6), price decimal(12,2))")
    rows, state = read(stream_of(mariadb, "visits"))
    assert (rows, state) == ([], {"key": ["id"], "after": []})


def test_a_database_that_is_not_there_is_named(mariadb: MariaDatabase) -> None:
    with pytest.raises(ConfigError, match="no database nowhere"):
        source_of(mariadb, databases=("nowhere",)).check()


def test_a_wrong_password_is_told(mariadb: MariaDatabase) -> None:
    with pytest.raises(AccessDenied, match="Access denied"):
        source_of(mariadb.as_user(mariadb.user, "wrong")).check()


def test_many_rows_arrive_in_batches_of_one_schema(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE many (id int PRIMARY KEY, body text)",
        "INSERT INTO many SELECT seq, repeat('x', seq % 300) FROM seq_1_to_70000",
    )
    items = list(stream_of(mariadb, "many").read(ReadRequest(mode=SyncMode.FULL_REFRESH)))
    batches = [item for item in items if isinstance(item, pa.RecordBatch)]
    assert len({str(batch.schema) for batch in batches}) == 1
    lengths = [len(text) for batch in batches for text in batch.column(1).to_pylist()]
    assert lengths == [number % 300 for number in range(1, 70_001)]
