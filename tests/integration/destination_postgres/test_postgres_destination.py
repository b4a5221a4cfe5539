"""What a user of the PostgreSQL destination gets, on a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from penstock.data.types import Kind
from penstock.destinations.postgres import PostgresConfig, PostgresDestination
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.sdk.destination import TableName, WriteMode
from penstock.sdk.postgres.address import Require
from penstock.testing.feed import batch_of
from penstock.testing.lab import plan_for, simple_plan, simple_rows
from tests.servers.postgres import PostgresDatabase, PostgresServer

VISITS = TableName(schema=None, name="visits")


def config_of(server: PostgresDatabase, /, **others: Any) -> PostgresConfig:
    known: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "database": server.name,
        "username": server.user,
        "password": server.password,
    }
    return PostgresConfig(**{**known, **others})


def destination_of(server: PostgresDatabase, /, **others: Any) -> PostgresDestination:
    return PostgresDestination(config_of(server, **others))


def load(
    destination: PostgresDestination,
    kinds: Mapping[str, Kind],
    rows: Sequence[Mapping[str, Any]],
    mode: WriteMode = WriteMode.APPEND,
    **others: Any,
) -> None:
    plan = plan_for(VISITS, kinds, mode, **others)
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, rows))
        assert writer.finish(None) == len(rows)


@pytest.fixture
def role(postgres: PostgresDatabase) -> Iterator[str]:
    """A user without any right but to connect; password "writer"."""
    name = f"writer_{postgres.name[-12:]}"
    postgres.run(f"CREATE ROLE {name} LOGIN PASSWORD 'writer'")
    yield name
    postgres.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_rows_arrive_as_if_the_server_had_no_settings_of_its_own(
    postgres: PostgresDatabase,
) -> None:
    for setting in (
        "timezone = 'America/New_York'",
        "datestyle = 'German'",
        "synchronous_commit = 'off'",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '1s'",
    ):
        postgres.run(f'ALTER DATABASE "{postgres.name}" SET {setting}')
    kinds = {"at": Kind.TIMESTAMP_TZ, "local": Kind.TIMESTAMP, "day": Kind.DATE}
    load(destination_of(postgres), kinds, [{"at": 0, "local": 0, "day": 0}])
    with postgres.connect() as connection:
        connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'")
        found = connection.execute(
            "SELECT at::text, local::text, day::text, pg_typeof(at)::text FROM visits"
        ).fetchall()
    assert found == [
        ("1970-01-01 00:00:00+00", "1970-01-01 00:00:00", "1970-01-01", "timestamp with time zone")
    ]


def test_what_postgres_cannot_hold_is_replaced_and_recorded(postgres: PostgresDatabase) -> None:
    kinds = {"text": Kind.STRING, "doc": Kind.JSON, "day": Kind.DATE, "at": Kind.TIMESTAMP}
    rows = [
        {"text": "a\x00b", "doc": r'{"a": "\u0000", "b": "\\u0000"}', "day": 1, "at": 2},
        {"text": "fine", "doc": r'["\ud83d\ude00", "\ud83d"]', "day": -(2**31), "at": -(2**63)},
    ]
    load(destination_of(postgres), kinds, rows)
    found = postgres.rows("SELECT text, doc, day::text, at::text, _airbyte_meta FROM visits")
    assert [row[:4] for row in found] == [
        ("a\ufffdb", {"a": "\ufffd", "b": "\\u0000"}, "1970-01-02", "1970-01-01 00:00:00.000002"),
        ("fine", ["😀", "\ufffd"], None, None),
    ]
    changes = [[(c["field"], c["change"]) for c in row[4]["changes"]] for row in found]
    assert changes == [
        [("text", "TRUNCATED"), ("doc", "TRUNCATED")],
        [("doc", "TRUNCATED"), ("day", "NULLED"), ("at", "NULLED")],
    ]


def test_a_table_of_other_types_takes_what_fits_and_records_the_rest(
    postgres: PostgresDatabase,
) -> None:
    postgres.run(
        "CREATE TABLE visits (small integer, short varchar(3), price numeric(6,2), day text,"
        " anything numeric, token uuid, doc json)"
    )
    kinds = {
        "small": Kind.INTEGER,
        "short": Kind.STRING,
        "price": Kind.DECIMAL,
        "day": Kind.DATE,
        "anything": Kind.DECIMAL,
        "token": Kind.STRING,
        "doc": Kind.JSON,
    }
    uuid = "00112233-4455-6677-8899-aabbccddeeff"
    rows = [
        {"small": 7, "short": "abc", "price": "1.25", "day": 0, "anything": "0.000000001",
         "token": uuid, "doc": '{"b": 1, "a": 2}'},
        {"small": 2**40, "short": "abcd", "price": "1.255", "day": 0, "anything": None,
         "token": "none", "doc": "[]"},
        {"small": None, "short": None, "price": "12345.00", "day": None, "anything": None,
         "token": None, "doc": None},
    ]  # fmt: skip
    load(destination_of(postgres), kinds, rows)
    found = postgres.rows(
        "SELECT small, short, price::text, day, anything::text, token::text, _airbyte_meta"
        " FROM visits ORDER BY price"
    )
    assert [row[:6] for row in found] == [
        (7, "abc", "1.25", "1970-01-01", "0.000000001", uuid),
        (None, None, "1.26", "1970-01-01", None, None),
        (None, None, None, None, None, None),
    ]
    changes = [[(c["field"], c["change"]) for c in row[6]["changes"]] for row in found]
    assert changes == [
        [],
        [("small", "NULLED"), ("short", "NULLED"), ("price", "TRUNCATED"), ("token", "NULLED")],
        [("price", "NULLED")],
    ]


def test_a_schema_that_is_missing_is_created(postgres: PostgresDatabase) -> None:
    destination = destination_of(postgres, schema="Odd schema")
    destination.check()
    assert postgres.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'Odd schema'") == []
    load(destination, {"id": Kind.INTEGER}, [{"id": 1}])
    assert postgres.rows('SELECT id FROM "Odd schema".visits') == [(1,)]


def test_a_schema_of_its_own_is_all_the_right_a_writer_needs(
    postgres: PostgresDatabase, role: str
) -> None:
    postgres.run(f"CREATE SCHEMA landing AUTHORIZATION {role}")
    destination = destination_of(postgres, schema="landing", username=role, password="writer")
    destination.check()
    load(destination, {"id": Kind.INTEGER}, [{"id": 1}], WriteMode.OVERWRITE, generation_id=1)
    load(
        destination,
        {"id": Kind.INTEGER},
        [{"id": 1}, {"id": 2}],
        WriteMode.APPEND_DEDUP,
        key=["id"],
    )
    assert destination.count(VISITS) == 2


def test_a_missing_right_is_named_with_its_remedy(postgres: PostgresDatabase, role: str) -> None:
    postgres.run("CREATE SCHEMA closed")
    for schema, words in (("closed", "schema closed"), ("new", "database")):
        destination = destination_of(postgres, schema=schema, username=role, password="writer")
        with pytest.raises(AccessDenied, match=f"permission denied for {words}") as refused:
            destination.check()
        assert f"GRANT … TO {role}" in refused.value.remedy


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"password": "wrong"}, AccessDenied, "password authentication failed"),
        ({"database": "no_such"}, ConfigError, "does not exist"),
        ({"port": 1}, ConnectionFailed, "refused"),
        ({"host": "no-such-host.invalid"}, PenstockError, "no-such-host.invalid"),
    ],
)
def test_a_wrong_setting_is_told_with_what_to_do(
    postgres: PostgresDatabase, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as refused:
        destination_of(postgres, **settings).check()
    assert all(f"`{name}`" in str(refused.value) for name in settings)


def test_tls_that_the_server_does_not_speak_is_told(postgres: PostgresDatabase) -> None:
    with pytest.raises(ConfigError, match="SSL") as refused:
        destination_of(postgres, ssl_mode=Require()).check()
    assert "`ssl_mode`" in refused.value.remedy


def test_a_view_in_the_way_is_named(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE VIEW visits AS SELECT 1 AS id")
    with pytest.raises(ConfigError, match='"visits" already exists') as refused:
        load(destination_of(postgres), {"id": Kind.INTEGER}, [{"id": 1}])
    assert "Rename or drop the object in the way" in refused.value.remedy


def test_a_view_on_the_table_stops_an_overwrite_unless_it_may_go(
    postgres: PostgresDatabase,
) -> None:
    kinds, rows = {"id": Kind.INTEGER}, [{"id": 1}]
    load(destination_of(postgres), kinds, rows)
    postgres.run("CREATE VIEW report AS SELECT count(*) FROM visits")
    with pytest.raises(ConfigError, match="depend on it") as refused:
        load(destination_of(postgres), kinds, rows, WriteMode.OVERWRITE, generation_id=1)
    assert "`drop_cascade`" in refused.value.remedy
    assert postgres.rows("SELECT * FROM report") == [(1,)]
    cascading = destination_of(postgres, drop_cascade=True)
    load(cascading, kinds, [{"id": 2}], WriteMode.OVERWRITE, generation_id=2)
    assert postgres.rows("SELECT id FROM visits") == [(2,)]


def test_a_reader_sees_old_or_new_rows_during_an_overwrite(postgres: PostgresDatabase) -> None:
    destination = destination_of(postgres)
    load(destination, {"id": Kind.INTEGER}, [{"id": n} for n in range(10)])
    seen: set[int] = set()
    is_over = threading.Event()

    def look() -> None:
        with postgres.connect() as connection:
            while not is_over.is_set():
                row = connection.execute("SELECT count(*) FROM visits").fetchone()
                assert row is not None
                seen.add(row[0])

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for generation in range(1, 6):
            rows = [{"id": n} for n in range(20)]
            kinds = {"id": Kind.INTEGER}
            load(destination, kinds, rows, WriteMode.OVERWRITE, generation_id=generation)
    finally:
        is_over.set()
        reader.join()
    assert seen <= {10, 20}
    assert 20 in seen


def test_two_connections_merge_into_one_table_one_after_the_other(
    postgres: PostgresDatabase,
) -> None:
    plan = simple_plan(VISITS, WriteMode.APPEND_DEDUP)

    def send(name: str) -> int:
        mine = replace(plan, connection=name)
        with destination_of(postgres).open(mine) as writer:
            for start in range(0, 40, 10):
                writer.write(batch_of(mine, simple_rows(*range(start, start + 10), name=name)))
                writer.commit(None)
            return writer.finish(None)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(send, [f"sync {n}" for n in range(4)])) == [0] * 4
    assert postgres.rows("SELECT count(*), count(DISTINCT id) FROM visits") == [(40, 40)]


def test_a_server_that_restarts_in_mid_load_loses_nothing_that_was_committed(
    postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    plan = simple_plan(VISITS, WriteMode.APPEND)
    destination = destination_of(postgres)
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1, 2)))
        assert writer.commit(None) == 2
        writer.write(batch_of(plan, simple_rows(3, 4)))
        postgres_server.restart("immediate")
        with pytest.raises(ConnectionFailed) as failed:
            writer.commit(None)
    assert "Run the sync again" in failed.value.remedy
    assert destination.count(VISITS) == 2
    load(destination, {"id": Kind.INTEGER, "name": Kind.STRING}, simple_rows(3, 4))
    assert destination.count(VISITS) == 4


def test_1500_columns_arrive(postgres: PostgresDatabase) -> None:
    kinds = {f"c_{n}_{'x' * 50}": Kind.BOOLEAN for n in range(1500)}
    load(destination_of(postgres), kinds, [dict.fromkeys(kinds, True)])
    found = postgres.rows("SELECT * FROM visits")
    assert found[0][:1500] == (True,) * 1500


def test_more_columns_than_a_table_can_have_are_refused(postgres: PostgresDatabase) -> None:
    kinds = {f"c{n}": Kind.INTEGER for n in range(1601)}
    with pytest.raises(ConfigError, match="1600 columns"):
        load(destination_of(postgres), kinds, [dict.fromkeys(kinds, 7)])


def test_queries_give_arrow_with_the_values_that_are_stored(postgres: PostgresDatabase) -> None:
    destination = destination_of(postgres)
    load(destination, {"id": Kind.INTEGER, "doc": Kind.JSON}, [{"id": 1, "doc": '{"a": 0.10}'}])
    table = destination.query(
        "SELECT id, doc, %s::text AS given, sum(id) OVER () AS total, id / 3.0 AS third"
        " FROM visits; ",
        ("100%",),
    ).read_all()
    (row,) = table.to_pylist()
    assert (row["id"], json.loads(row["doc"]), row["given"]) == (1, {"a": 0.1}, "100%")
    assert (str(row["total"]), str(row["third"])) == ("1.000000000", "0.33333333333333333333")
    for wrong in ("SELEC 1", "DELETE FROM visits", "SELECT * FROM no_such_table"):
        with pytest.raises(ConfigError):
            destination.query(wrong)
    destination.execute([("DELETE FROM visits WHERE id = %s", (1,))])
    assert destination.count(VISITS) == 0
    assert not destination.has_table(TableName(schema="public", name="no_such_table"))


def test_a_password_is_in_no_error_and_no_list_of_connections(postgres: PostgresDatabase) -> None:
    destination = destination_of(postgres)
    with pytest.raises(PenstockError) as refused:
        destination.query("SELECT * FROM nothing")
    assert postgres.password not in f"{refused.value} {refused.value.__cause__} {destination!r}"


def test_what_a_trigger_refuses_is_the_tables_own_rule(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE visits (id bigint CHECK (id < 5))")
    with pytest.raises(ConfigError, match="check constraint") as refused:
        load(destination_of(postgres), {"id": Kind.INTEGER}, [{"id": 9}])
    assert "constraint" in refused.value.remedy
    assert isinstance(refused.value.__cause__, psycopg.Error)
