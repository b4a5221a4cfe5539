"""A cache in BigQuery, by Google's own client against the local double of its API."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

import penstock as ab
from penstock.errors import AccessDenied, ConfigError
from penstock.library import exceptions as exc
from penstock.library.caches import BigQueryCache
from penstock.library.secrets import SecretString
from tests.doubles.bigquery_server import BigQueryServer
from tests.integration.library.transcripts import Replayed, record, status, stream
from tests.servers.bigquery import dataset_of


def settings_of(server: BigQueryServer, place: Path, **others: Any) -> dict[str, Any]:
    return {
        "project_name": server.project,
        "dataset_name": dataset_of(place),
        "credentials_path": server.key(),
        "endpoint": server.url,
        **others,
    }


@pytest.fixture
def cache(bigquery_server: BigQueryServer, tmp_path: Path) -> BigQueryCache:
    return BigQueryCache(**settings_of(bigquery_server, tmp_path))


def test_a_read_is_had_in_every_form_and_continued(cache: BigQueryCache) -> None:
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
    table = cache.table_sql("users")
    assert cache.run_sql_query(f"SELECT count(*) AS n FROM {table}") == [{"n": 50}]
    cache.execute_sql(["CREATE TABLE mine (a INT64)", "INSERT INTO mine (a) VALUES (1)"])
    assert cache.run_sql_query("SELECT a FROM mine") == [{"a": 1}]


def test_pyairbytes_names_open_the_same_cache(
    bigquery_server: BigQueryServer, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(bigquery_server.key())
    settings = settings_of(bigquery_server, tmp_path, credentials_path=str(key))
    cache = BigQueryCache(**settings, dataset_location="US", table_prefix="raw_")
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    source.read(cache)
    assert cache.get_database_name() == bigquery_server.project
    assert cache.schema_name == dataset_of(tmp_path)
    assert cache.table_sql("users").endswith("`raw_users`")
    assert isinstance(cache.get_sql_alchemy_url(), SecretString)


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, "007", "007"),
        ({"type": "string"}, "2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00+02:00"),
        ({"type": ["null", "integer"]}, 9007199254740993, 9007199254740993),
        ({"type": "integer", "airbyte_type": "big_integer"}, 10**30, Decimal(10**30)),
        ({"type": "boolean"}, False, False),
        ({"type": "number"}, 0, 0.0),
        (
            {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
            "2024-01-01T03:04:05.123456+02:00",
            dt.datetime(2024, 1, 1, 1, 4, 5, 123456, tzinfo=dt.UTC),
        ),
        ({"type": "object"}, {"z": 1, "big": 2**60}, '{"z":1,"big":1152921504606846976}'),
    ],
    ids=str,
)
def test_a_value_arrives_as_it_left(
    replayed: Replayed, cache: BigQueryCache, schema: dict[str, Any], value: Any, expected: Any
) -> None:
    described = stream(properties={"seen_at": schema})
    lines = [record(seen_at=value), record(seen_at=None), status("COMPLETE")]
    result = replayed.source(replayed.write([described], lines)).read(cache)
    assert [row["seen_at"] for row in result["items"]] == [expected, None]


def test_a_key_twice_in_a_batch_is_one_row(replayed: Replayed, cache: BigQueryCache) -> None:
    properties = {"tenant": {"type": "integer"}, "id": {"type": "integer"}, "x": {}}
    described = stream(properties=properties, key=[["tenant"], ["id"]])
    lines = [
        record(tenant=1, id=1, x="old"),
        record(tenant=1, id=1, x="new"),
        record(tenant=2, id=1, x="other"),
        status("COMPLETE"),
    ]
    source = replayed.source(replayed.write([described], lines))
    for _ in range(2):
        assert len(source.read(cache)["items"]) == 2


def test_what_was_read_is_written_elsewhere_as_it_is(
    replayed: Replayed, cache: BigQueryCache, tmp_path: Path
) -> None:
    properties = {"id": {"type": "integer"}, "doc": {"type": "object"}, "t": {"type": "string"}}
    lines = [record(id=1, doc={"a": [1]}, t='{"a": [1]}'), status("COMPLETE")]
    result = replayed.source(replayed.write([stream(properties=properties)], lines)).read(cache)
    path = tmp_path / "out.duckdb"
    written = ab.get_destination("destination-duckdb", config={"path": str(path)}).write(result)
    assert written.processed_records == 1
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("SELECT id, doc, t, typeof(doc), typeof(t) FROM items")
        assert found.fetchall() == [(1, '{"a":[1]}', '{"a": [1]}', "JSON", "VARCHAR")]


def test_a_query_that_would_change_something_is_refused(cache: BigQueryCache) -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    source.read(cache)
    with pytest.raises(ConfigError, match="not one SELECT"):
        cache.run_sql_query(f"DELETE FROM {cache.table_sql('users')} WHERE TRUE")
    assert len(cache["users"]) == 5


def test_a_refused_key_is_told_and_never_shown(
    bigquery_server: BigQueryServer, tmp_path: Path
) -> None:
    key = bigquery_server.key().replace("loader@", "canary-stranger@")
    cache = BigQueryCache(**settings_of(bigquery_server, tmp_path, credentials_path=key))
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    with pytest.raises(exc.PyAirbyteError) as raised:
        source.read(cache)
    assert isinstance(raised.value, AccessDenied)
    told = f"{raised.value!r} {raised.value} {raised.value.as_document()} {cache!r}"
    assert "PRIVATE KEY" not in told


def test_credentials_may_be_a_reference(
    bigquery_server: BigQueryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_KEY", bigquery_server.key())
    for reference in ("secret_reference::BIGQUERY_KEY", "${env:BIGQUERY_KEY}"):
        settings = settings_of(bigquery_server, tmp_path, credentials_path=reference)
        assert BigQueryCache(**settings).run_sql_query("SELECT 1 AS one") == [{"one": 1}]


def test_a_destination_gives_its_cache(bigquery_server: BigQueryServer, tmp_path: Path) -> None:
    config = {
        "project_id": bigquery_server.project,
        "dataset_id": dataset_of(tmp_path),
        "credentials_json": bigquery_server.key(),
        "endpoint": bigquery_server.url,
    }
    destination = ab.get_destination("destination-bigquery", config=config)
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    destination.write(source)
    found = destination.get_sql_cache()
    assert isinstance(found, BigQueryCache)
    assert found.run_sql_query("SELECT count(*) AS n FROM users") == [{"n": 5}]
