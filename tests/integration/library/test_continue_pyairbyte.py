"""Files that PyAirbyte made are opened, read and continued; made here in the form it gives them."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from penstock.library.caches import DuckDBCache
from penstock.library.sources import get_source
from tests.integration.library.transcripts import Replayed, record, state, status, stream

PROPERTIES = {
    "id": {"type": "integer"},
    "at": {"type": "string", "format": "date-time"},
    "price": {"type": "number"},
}
MADE_BY_PYAIRBYTE = """
CREATE TABLE items ("id" BIGINT, "at" TIMESTAMP, "price" DECIMAL(38,9), "_airbyte_raw_id" VARCHAR,
    "_airbyte_extracted_at" TIMESTAMP, "_airbyte_meta" JSON);
INSERT INTO items VALUES (1, '2024-01-01 00:00:00', 1.5, 'x', '2024-01-01 00:00:00', '{}');
CREATE TABLE _airbyte_streams (stream_name VARCHAR, source_name VARCHAR,
    table_name VARCHAR PRIMARY KEY, catalog_metadata VARCHAR);
CREATE TABLE _airbyte_state (source_name VARCHAR, stream_name VARCHAR,
    table_name VARCHAR PRIMARY KEY, state_json VARCHAR, last_updated TIMESTAMPTZ);
CREATE TABLE _airbyte_destination_state (destination_name VARCHAR, source_name VARCHAR,
    stream_name VARCHAR, state_json VARCHAR, last_updated TIMESTAMPTZ,
    PRIMARY KEY (destination_name, source_name, stream_name));
"""


@pytest.fixture
def old(tmp_path: Path) -> DuckDBCache:
    path = tmp_path / "old.duckdb"
    stored = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "items"}, "stream_state": {"at": 1}},
        "global_": None,
        "data": None,
        "sourceStats": None,
    }
    with duckdb.connect(str(path)) as connection:
        connection.execute(MADE_BY_PYAIRBYTE)
        schema = json.dumps({"type": "object", "properties": PROPERTIES})
        connection.execute(
            "INSERT INTO _airbyte_streams VALUES ('items', 'DuckDBCache', 'items', ?)", [schema]
        )
        connection.execute(
            "INSERT INTO _airbyte_state VALUES ('source-replayed', 'items', 'items', ?, now())",
            [json.dumps(stored)],
        )
    return DuckDBCache(path)


def grown(replayed: Replayed) -> Path:
    lines = [
        record(id=2, at="2024-01-02T03:00:00+02:00", price=2.25),
        state(at=2),
        status("COMPLETE"),
    ]
    described = stream(properties=PROPERTIES, key=[["id"]], cursor="at")
    return replayed.write([described], lines)


def test_an_old_file_is_read(old: DuckDBCache) -> None:
    assert list(old.streams) == ["items"]
    assert old["items"].to_pandas()["price"].tolist() == [Decimal("1.500000000")]


def test_an_old_file_is_continued_from_its_state(replayed: Replayed, old: DuckDBCache) -> None:
    source = replayed.source(grown(replayed))
    assert source.read(old).processed_records == 1
    source.read(old)
    first, second = replayed.calls("read")
    assert first["--state"][0]["stream"]["stream_state"] == {"at": 1}
    assert second["--state"][0]["stream"]["stream_state"] == {"at": 2}
    found = old.run_sql_query('SELECT id, "at", price FROM items ORDER BY id')
    assert [tuple(row.values()) for row in found] == [
        (1, dt.datetime(2024, 1, 1), Decimal("1.5")),  # noqa: DTZ001 (an old column, in UTC)
        (2, dt.datetime(2024, 1, 2, 1), Decimal("2.25")),  # noqa: DTZ001
    ]


def test_old_columns_keep_their_types(replayed: Replayed, old: DuckDBCache) -> None:
    replayed.source(grown(replayed)).read(old)
    types = old.run_sql_query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'items'"
    )
    found = {row["column_name"]: row["data_type"] for row in types}
    assert found["at"] == "TIMESTAMP"
    assert found["price"] == "DECIMAL(38,9)"


def test_only_the_first_account_takes_an_old_state(replayed: Replayed, old: DuckDBCache) -> None:
    path = grown(replayed)
    replayed.source(path, account="first").read(old)
    replayed.source(path, account="second").read(old)
    first, second = replayed.calls("read")
    assert "--state" in first
    assert "--state" not in second


def test_a_stream_whose_table_is_gone_begins_anew(replayed: Replayed, old: DuckDBCache) -> None:
    old.execute_sql("DROP TABLE items")
    replayed.source(grown(replayed)).read(old)
    (call,) = replayed.calls("read")
    assert "--state" not in call


def test_a_forced_refresh_takes_no_old_state(replayed: Replayed, old: DuckDBCache) -> None:
    replayed.source(grown(replayed)).read(old, force_full_refresh=True)
    (call,) = replayed.calls("read")
    assert "--state" not in call


def test_a_native_connector_does_not_take_the_state_of_another_one(tmp_path: Path) -> None:
    path = tmp_path / "native.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(MADE_BY_PYAIRBYTE)
        connection.execute(
            "INSERT INTO _airbyte_state VALUES ('source-faker', 'users', 'users', ?, now())",
            [json.dumps(state("users", seed=1)["state"])],
        )
    source = get_source("source-faker", config={"count": 3}, streams="users")
    assert source.read(DuckDBCache(path)).processed_records == 3


def test_the_users_own_sql_on_registered_streams_works(
    replayed: Replayed, old: DuckDBCache
) -> None:
    replayed.source(grown(replayed)).read(old)
    (row,) = old.run_sql_query(
        "SELECT stream_name, source_name, table_name, catalog_metadata FROM _airbyte_streams"
    )
    assert (row["stream_name"], row["table_name"]) == ("items", "items")
    assert row["source_name"] == "source-replayed"
    assert json.loads(row["catalog_metadata"])["properties"] == PROPERTIES
    (stored,) = old.run_sql_query("SELECT source_name FROM _airbyte_state")
    assert stored == {"source_name": "source-replayed"}
