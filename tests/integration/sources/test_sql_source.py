"""The generic SQL source on real servers: values stay, cursors lose nothing, failures are told."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from penstock.data.batch import BatchBuilder
from penstock.data.types import Kind, columns_of
from penstock.errors import ConfigError, ConnectionFailed, MissingDriver
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State, Stream
from penstock.sources.sql import SqlSource, SqlSourceConfig
from tests.servers.mariadb import MariaDatabase
from tests.servers.postgres import PostgresDatabase

TYPES: dict[str, tuple[str, Kind, Any]] = {
    "bigint": ("-9223372036854775808", Kind.INTEGER, str(-(2**63))),
    "boolean": ("false", Kind.BOOLEAN, "false"),
    "numeric(12,2)": ("1.10", Kind.DECIMAL, "1.100000000"),
    "numeric(38,0)": ("9" * 38, Kind.BIG_INTEGER, "9" * 38),
    "numeric": ("0.1234567890123456789012345", Kind.STRING, "0.1234567890123456789012345"),
    "double precision": ("0.1", Kind.NUMBER, "0.1"),
    "text": ("'007'", Kind.STRING, "007"),
    "date": ("'2024-02-29'", Kind.DATE, "2024-02-29"),
    "time": ("'23:59:59.999999'", Kind.TIME, "23:59:59.999999"),
    "timestamp": ("'2024-02-29 12:00'", Kind.TIMESTAMP, "2024-02-29 12:00:00.000000"),
    "timestamptz": (
        "'2024-02-29 12:00+05:30'",
        Kind.TIMESTAMP_TZ,
        "2024-02-29 06:30:00.000000Z",
    ),
    "bytea": (r"'\x00ff'", Kind.STRING, "AP8="),
    "jsonb": ("'{\"a\": [1, null]}'", Kind.JSON, '{"a":[1,null]}'),
    "integer[]": ("'{1,2}'", Kind.JSON, "[1,2]"),
    "uuid": (
        "'c0ffee00-0000-4000-8000-000000000001'",
        Kind.STRING,
        "c0ffee00-0000-4000-8000-000000000001",
    ),
    "int4range": ("'[1,5)'", Kind.STRING, "[1, 5)"),
}


def stream_of(url: str, name: str, **settings: Any) -> Stream:
    streams = SqlSource(SqlSourceConfig(url=url, **settings)).streams()
    return next(each for each in streams if each.name == name)


def alchemy(database: PostgresDatabase) -> str:
    return database.url.replace("postgresql://", "postgresql+psycopg://")


def read(stream: Stream, **request: Any) -> tuple[list[dict[str, str | None]], list[Any]]:
    """Returns rows as the engine makes them, each value as text, and states."""
    rows: list[dict[str, str | None]] = []
    states: list[Any] = []
    with BatchBuilder(columns_of(stream.json_schema), is_raw=False) as builder:
        for item in stream.read(ReadRequest(**request)):
            if isinstance(item, State):
                states.append(item.value)
                continue
            if isinstance(item, pa.RecordBatch):
                made = builder.from_arrow(item, extracted_at_ms=0).rows
            else:
                assert isinstance(item, list)
                made = builder.from_rows(item, extracted_at_ms=0).rows
            arrays = [_plain(array).cast(pa.string()) for array in made.columns]
            names = made.schema.names
            rows += pa.RecordBatch.from_arrays(arrays, names=names).to_pylist()
    return rows, states


def _plain(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


@pytest.mark.parametrize("type_name", TYPES)
def test_values_of_postgres_arrive_as_they_are(postgres: PostgresDatabase, type_name: str) -> None:
    value, kind, expected = TYPES[type_name]
    postgres.run(f"CREATE TABLE t (a {type_name})", f"INSERT INTO t VALUES ({value}), (NULL)")
    stream = stream_of(alchemy(postgres), "t")
    assert [column.kind for column in columns_of(stream.json_schema)] == [kind]
    rows, _ = read(stream, mode=SyncMode.FULL_REFRESH)
    assert [row["a"] for row in rows] == [expected, None]
    assert [row["_airbyte_changes"] for row in rows] == [None, None]


def test_a_cursor_brings_rows_of_its_last_value_again_and_loses_none(
    postgres: PostgresDatabase,
) -> None:
    postgres.run(
        "CREATE TABLE t (id int, at timestamptz)",
        "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02'), (3, NULL)",
    )
    stream = stream_of(alchemy(postgres), "t", batch_rows=1)
    rows, states = read(stream, mode=SyncMode.INCREMENTAL, cursor=("at",))
    assert [row["id"] for row in rows] == ["3", "1", "2"]
    postgres.run("INSERT INTO t VALUES (4, '2024-01-02'), (5, '2024-01-03')")
    rows, _ = read(stream, mode=SyncMode.INCREMENTAL, cursor=("at",), state=states[-1])
    assert {row["id"] for row in rows} == {"2", "4", "5"}


def test_mariadb_is_read_too(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE t (id int PRIMARY KEY, price decimal(12,2), extra json, at datetime(6))",
        "INSERT INTO t VALUES (1, 1.10, '{\"a\": 1.10}', '2024-02-29 12:00:00.000001')",
    )
    stream = stream_of(_mariadb_url(mariadb), "t")
    assert stream.primary_key == (("id",),)
    ((row,), _) = read(stream, mode=SyncMode.FULL_REFRESH)
    assert row["price"] == "1.100000000"
    assert row["at"] == "2024-02-29 12:00:00.000001"


def _mariadb_url(database: MariaDatabase) -> str:
    from sqlalchemy import URL  # noqa: PLC0415 (spells the password)

    url = URL.create(
        "mysql+pymysql",
        username=database.user,
        password=database.password,
        host=database.host,
        port=database.port,
        database=database.name,
    )
    return url.render_as_string(hide_password=False)


def test_schemas_are_namespaces_and_the_default_one_has_none(postgres: PostgresDatabase) -> None:
    postgres.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int)",
        "CREATE VIEW people AS SELECT 1 AS id",
        "CREATE TABLE _penstock_state (a int)",
    )
    url = alchemy(postgres)

    def names(*schemas: str) -> list[tuple[str | None, str]]:
        source = SqlSource(SqlSourceConfig(url=url, schemas=schemas))
        return [(stream.namespace, stream.name) for stream in source.streams()]

    assert names() == [(None, "people")]
    assert names("public", "sales") == [(None, "people"), ("sales", "orders")]
    with pytest.raises(ConfigError, match="no schema nowhere"):
        names("nowhere")


@pytest.mark.parametrize(
    ("url", "driver", "error", "words"),
    [
        ("nonsense", None, ConfigError, "not a URL"),
        ("foo://x", None, MissingDriver, "No package installed here reads foo"),
        ("oracle+oracledb://x", None, MissingDriver, "needs the package oracledb"),
        ("x", "nobody_makes_this", MissingDriver, "no ADBC driver nobody_makes_this"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1:1/x", None, ConnectionFailed, "127.0.0.1"),
        ("/nowhere/x.sqlite", "sqlite", ConnectionFailed, "ADBC driver sqlite"),
    ],
)
def test_what_keeps_it_out_is_told_and_shows_no_password(
    url: str, driver: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        SqlSource(SqlSourceConfig(url=url, adbc_driver=driver)).check()
    assert "s3cret" not in str(caught.value)


def test_a_wrong_password_is_not_shown(postgres: PostgresDatabase) -> None:
    url = f"postgresql+psycopg://{postgres.user}:wr0ng@{postgres.host}:{postgres.port}/postgres"
    with pytest.raises(ConnectionFailed, match="password authentication failed") as caught:
        SqlSource(SqlSourceConfig(url=url)).check()
    assert "wr0ng" not in str(caught.value)
