"""A cache in a real PostgreSQL: the same promises as of a file, and PyAirbyte's defects there."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy

import penstock as ab
from benchmarks.peers import Installed, install
from penstock.errors import AccessDenied, ConfigError, PenstockError, ResourceExhausted
from penstock.library import exceptions as exc
from penstock.library.caches import CacheBase, DuckDBCache, PostgresCache
from penstock.library.mcp.desk import Desk
from penstock.library.mcp.offers import Shelf, offers_of
from penstock.library.secrets import SecretString
from penstock.sdk.destination import ConfinesSql
from tests.integration.library.transcripts import (
    PROGRAM,
    Replayed,
    record,
    state,
    status,
    stream,
)
from tests.servers.postgres import PostgresDatabase


def settings_of(database: PostgresDatabase, **others: Any) -> dict[str, Any]:
    return {
        "host": database.host,
        "port": database.port,
        "username": database.user,
        "password": database.password,
        "database": database.name,
        **others,
    }


@pytest.fixture
def cache(postgres: PostgresDatabase) -> PostgresCache:
    return PostgresCache(**settings_of(postgres))


def test_a_read_is_had_in_every_form_and_continued(cache: PostgresCache) -> None:
    source = ab.get_source("source-faker", config={"count": 50}, streams="*")
    result = source.read(cache)
    assert result.processed_records == 200
    assert source.read(cache).processed_records == 0
    users = cache["users"]
    assert list(cache.streams) == ["products", "purchases", "users"]
    assert (len(users), len(users.to_pandas()), users.to_arrow().count_rows()) == (50, 50, 50)
    assert len(users.to_polars()) == len(list(users)) == len(list(users.to_documents())) == 50
    some = users.with_filter("id <= 10").with_filter("id > 5")
    assert (len(some), sorted(row["id"] for row in some)) == (5, [6, 7, 8, 9, 10])
    assert set(users.column_names) >= {"id", "email", "_airbyte_raw_id", "_airbyte_meta"}
    assert cache.fetch_table_statistics(["users"]) == {"users": {"num_rows": 50}}
    assert cache.run_sql_query("SELECT count(*) AS n FROM airbyte_raw.users") == [{"n": 50}]
    cache.execute_sql(["CREATE TABLE airbyte_raw.mine (a int)", "INSERT INTO mine VALUES (1)"])
    assert cache.run_sql_query("SELECT a FROM mine") == [{"a": 1}]


def test_a_schema_of_mixed_case_is_the_one_that_is_read_back(postgres: PostgresDatabase) -> None:
    cache = PostgresCache(**settings_of(postgres, schema_name="Mixed"))
    ab.get_source("source-faker", config={"count": 5}, streams=["users"]).read(cache)
    assert len(cache["users"]) == 5
    assert postgres.rows("SELECT count(*) FROM mixed.users") == [(5,)]


def test_sqlalchemy_reads_it(cache: PostgresCache) -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    table = source.read(cache)["users"].to_sql_table()
    engine = cache.get_sql_engine()
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(table.c.id).order_by(table.c.id))
        assert [row.id for row in found] == [1, 2, 3, 4, 5]
    engine.dispose()
    assert len(cache["users"].with_filter(table.c.id > 3)) == 2
    assert isinstance(cache.get_sql_alchemy_url(), SecretString)
    assert "****" in repr(cache.get_sql_alchemy_url())


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, "007", "007"),
        ({"type": "string"}, "1e5", "1e5"),
        ({"type": "string"}, "2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00+02:00"),
        ({"type": ["null", "integer"]}, 9007199254740993, 9007199254740993),
        ({"type": "integer", "airbyte_type": "big_integer"}, 10**30, Decimal(10**30)),
        ({"type": ["string", "integer"]}, 7, "7"),
        ({"type": "boolean"}, False, False),
        ({"type": "number"}, 0, 0.0),
        (
            {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
            "2024-01-01T03:04:05.123456+02:00",
            dt.datetime(2024, 1, 1, 1, 4, 5, 123456, tzinfo=dt.UTC),
        ),
        ({"type": ["string", "object"]}, {"a": [1]}, '{"a": [1]}'),
        ({"type": "object"}, {"z": 1, "big": 2**60}, '{"z": 1, "big": 1152921504606846976}'),
    ],
    ids=str,
)
def test_a_value_arrives_as_it_left(
    replayed: Replayed, cache: PostgresCache, schema: dict[str, Any], value: Any, expected: Any
) -> None:
    described = stream(properties={"seen_at": schema})
    lines = [record(seen_at=value), record(seen_at=None), status("COMPLETE")]
    result = replayed.source(replayed.write([described], lines)).read(cache)
    found = [row["seen_at"] for row in result["items"]]
    if isinstance(expected, str) and expected.startswith("{"):
        assert [None if text is None else json.loads(text) for text in found] == [value, None]
    else:
        assert found == [expected, None]


def test_a_key_twice_in_a_batch_is_one_row_and_long_names_fit(
    replayed: Replayed, cache: PostgresCache
) -> None:
    column, name = "c" * 80, "s" * 80
    properties = {"tenant": {"type": "integer"}, "id": {"type": "integer"}, column: {}}
    described = stream(name, properties=properties, key=[["tenant"], ["id"]])
    lines = [
        record(name, tenant=1, id=1, **{column: "old"}),
        record(name, tenant=1, id=1, **{column: "new"}),
        record(name, tenant=2, id=1, **{column: "other"}),
        status("COMPLETE", name),
    ]
    source = replayed.source(replayed.write([described], lines))
    for _ in range(2):
        result = source.read(cache)
        assert len(result[name]) == 2
    assert list(cache.streams) == [name]


def test_what_was_read_is_written_elsewhere_as_it_is(
    replayed: Replayed, cache: PostgresCache, tmp_path: Path
) -> None:
    properties = {"id": {"type": "integer"}, "doc": {"type": "object"}, "t": {"type": "string"}}
    lines = [record(id=1, doc={"a": [1]}, t='{"a": [1]}'), status("COMPLETE")]
    result = replayed.source(replayed.write([stream(properties=properties)], lines)).read(cache)
    path = tmp_path / "out.duckdb"
    written = ab.get_destination("destination-duckdb", config={"path": str(path)}).write(result)
    assert written.processed_records == 1
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("SELECT id, doc, t, typeof(doc), typeof(t) FROM items")
        assert found.fetchall() == [(1, '{"a": [1]}', '{"a": [1]}', "JSON", "VARCHAR")]


def test_a_wrong_password_is_told_and_never_shown(postgres: PostgresDatabase) -> None:
    cache = PostgresCache(**{**settings_of(postgres), "password": "canary-password"})
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    with pytest.raises(exc.PyAirbyteError) as raised:
        source.read(cache)
    assert isinstance(raised.value, AccessDenied)
    assert "canary" not in f"{raised.value!r} {raised.value} {raised.value.as_document()} {cache!r}"


def test_a_password_may_be_a_reference(
    postgres: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_PASSWORD", postgres.password)
    for reference in ("secret_reference::PG_PASSWORD", "${env:PG_PASSWORD}"):
        cache = PostgresCache(**{**settings_of(postgres), "password": reference})
        assert cache.run_sql_query("SELECT 1 AS one") == [{"one": 1}]


def test_a_destination_gives_its_cache(postgres: PostgresDatabase) -> None:
    settings = settings_of(postgres, schema="landed")
    destination = ab.get_destination("destination-postgres", config=settings)
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    destination.write(source)
    assert destination.is_cache_supported
    found = destination.get_sql_cache()
    assert isinstance(found, PostgresCache)
    assert found.run_sql_query("SELECT count(*) AS n FROM users") == [{"n": 5}]


# --- SQL of an assistant ------------------------------------------------------------------------


@pytest.fixture
def reader(postgres: PostgresDatabase, cache: PostgresCache) -> PostgresCache:
    """The same cache for a role that owns nothing and is no superuser."""
    ab.get_source("source-faker", config={"count": 5}, streams="users").read(cache)
    name = f"reader_{postgres.name}"
    postgres.run(
        f"CREATE ROLE {name} LOGIN PASSWORD 'canary-pw'",
        f"GRANT ALL ON SCHEMA airbyte_raw TO {name}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA airbyte_raw TO {name}",
    )
    return PostgresCache(**{**settings_of(postgres), "username": name, "password": "canary-pw"})


def confined(cache: CacheBase, sql: str, *, seconds: float = 30) -> list[dict[str, Any]]:
    assert isinstance(cache.destination, ConfinesSql)
    return list(cache.destination.query_confined(sql, seconds=seconds, rows=3).to_pylist())


def test_confined_sql_looks(reader: PostgresCache) -> None:
    assert confined(reader, "SELECT id FROM users ORDER BY id") == [{"id": n} for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM users",
        "SELECT 1; DELETE FROM users",
        "COMMIT; DELETE FROM users",
        "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone",
        "SELECT set_config('transaction_read_only', 'off', false); DELETE FROM users",
        "SELECT query_to_xml('DELETE FROM users', true, true, '')",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY users TO PROGRAM 'cat'",
        "COPY users TO STDOUT",
        "SELECT * INTO copied FROM users",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "",
    ],
)
def test_confined_sql_does_nothing_else(
    reader: PostgresCache, postgres: PostgresDatabase, sql: str
) -> None:
    with pytest.raises(PenstockError):
        confined(reader, sql)
    assert postgres.rows("SELECT count(*) FROM airbyte_raw.users") == [(5,)]


def test_confined_sql_is_stopped_in_time(reader: PostgresCache) -> None:
    with pytest.raises(ResourceExhausted, match=r"longer than 0\.3 seconds"):
        confined(reader, "SELECT pg_sleep(30)", seconds=0.3)


def test_sql_of_an_assistant_is_not_run_as_a_superuser(cache: PostgresCache) -> None:
    with pytest.raises(ConfigError, match="superuser"):
        confined(cache, "SELECT 1")


def test_an_assistant_asks_it(reader: PostgresCache, postgres: PostgresDatabase) -> None:
    config = settings_of(postgres, username=f"reader_{postgres.name}", password="canary-pw")
    offers = offers_of({"caches": {"main": {"type": "postgres", "config": config}}})
    shelf = Shelf(offers, may_install=False)
    desk = Desk(shelf)
    assert desk.query("main", "SELECT count(*) AS n FROM users", 5)["rows"] == [[5]]
    (found,) = desk.caches()["caches"]
    assert [table["rows"] for table in found["tables"]] == [5]
    assert shelf.masked("it is canary-pw") == "it is ****"


# --- Caches that PyAirbyte itself filled --------------------------------------------------------

PROPERTIES = {
    "id": {"type": "integer"},
    "at": {"type": "string", "format": "date-time"},
    "price": {"type": "number"},
    "zip": {"type": "string"},
    "tags": {"type": "array"},
    "doc": {"type": "object"},
}


@pytest.fixture(scope="module")
def pyairbyte() -> Installed:
    """PyAirbyte in its own environment, kept between runs."""
    found = install("pyairbyte")
    assert found.failure is None, found.failure
    return found


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PostgresCache", "DuckDBCache"])
def test_a_cache_that_pyairbyte_filled_is_continued(
    pyairbyte: Installed, replayed: Replayed, postgres: PostgresDatabase, tmp_path: Path, kind: str
) -> None:
    described = stream(properties=PROPERTIES, key=[["id"]], cursor="at")
    old = {"at": "2024-01-01T00:00:00Z", "price": 1.5, "tags": [1], "doc": {"a": 1}}
    first = [record(id=1, zip="x1", **old), record(id=2, zip="x2", **old), state(at="old")]
    path = replayed.write([described], [*first, status("COMPLETE")])
    config = {"transcript": str(path)}
    settings = {
        "PostgresCache": settings_of(postgres),
        "DuckDBCache": {"db_path": str(tmp_path / "theirs.duckdb")},
    }[kind]
    _let_pyairbyte_read(pyairbyte, tmp_path, config, kind, settings)
    new = {"at": "2024-01-02T03:00:00+02:00", "price": 2.25, "tags": [2], "doc": {"b": 2}}
    then = [record(id=2, zip="007", **new), record(id=3, zip="008", **new), state(at="new")]
    replayed.write([described], [*then, status("COMPLETE")])

    kinds: dict[str, type[CacheBase]] = {
        "PostgresCache": PostgresCache,
        "DuckDBCache": DuckDBCache,
    }
    cache = kinds[kind](**settings)
    assert len(cache["items"]) == 2
    types = _types(cache)
    replayed.calls_path.unlink()
    for _ in range(2):
        assert replayed.source(path).read(cache).processed_records == 2
    given = [call["--state"][0]["stream"]["stream_state"] for call in replayed.calls("read")]
    assert given == [{"at": "old"}, {"at": "new"}]

    rows = sorted(cache["items"], key=lambda row: row["id"])
    assert [(row["id"], row["zip"], row["price"]) for row in rows] == [
        (1, "x1", Decimal("1.5")),
        (2, "007", Decimal("2.25")),
        (3, "008", Decimal("2.25")),
    ]
    assert [row["at"] for row in rows] == [
        dt.datetime(2024, 1, 1),  # noqa: DTZ001 (an old column, in UTC)
        dt.datetime(2024, 1, 2, 1),  # noqa: DTZ001
        dt.datetime(2024, 1, 2, 1),  # noqa: DTZ001
    ]
    assert [json.loads(row["doc"]) for row in rows] == [{"a": 1}, {"b": 2}, {"b": 2}]
    now = _types(cache)
    assert {name: now[name] for name in types} == types
    assert set(now) - set(types) == {"_airbyte_generation_id"}


def _types(cache: CacheBase) -> dict[str, str]:
    rows = cache.run_sql_query(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        " WHERE table_name = 'items'"
    )
    return {row["name"]: row["type"] for row in rows}


def _let_pyairbyte_read(
    installed: Installed, folder: Path, config: Any, kind: str, settings: Any
) -> None:
    executable = folder / "source-replayed"
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@"\n')
    executable.chmod(0o755)
    program = str(PROGRAM.with_name("pyairbyte_writes.py"))
    texts = [json.dumps(config), kind, json.dumps(settings)]
    quiet = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "AIRBYTE_LOCAL_REGISTRY": "0"}
    places = {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
    }
    done = subprocess.run(
        [installed.python, program, str(executable), *texts],
        cwd=folder,
        env={**os.environ, **quiet, **places},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("2")
