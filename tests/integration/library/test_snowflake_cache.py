"""A cache in Snowflake's stand-in: the promises of a file, by the real client."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

import penstock as ab
from penstock.errors import AccessDenied
from penstock.library import exceptions as exc
from penstock.library.caches import SnowflakeCache
from penstock.library.secrets import SecretString
from tests.integration.library.transcripts import Replayed, record, status, stream
from tests.servers.snowflake import SnowflakeServer

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # fakesnow's own


def settings_of(server: SnowflakeServer, **others: Any) -> dict[str, Any]:
    return {
        "account": server.account,
        "username": server.user,
        "password": server.password,
        "database": "DB",
        "schema_name": f"cache_{uuid.uuid4().hex[:12]}",
        "host": server.host,
        "port": server.port,
        "is_plain_http": True,
        **others,
    }


@pytest.fixture
def cache(snowflake_server: SnowflakeServer) -> SnowflakeCache:
    return SnowflakeCache(**settings_of(snowflake_server))


def test_a_read_is_had_in_every_form_and_continued(cache: SnowflakeCache) -> None:
    source = ab.get_source("source-faker", config={"count": 10}, streams="*")
    assert source.read(cache).processed_records == 120
    assert source.read(cache).processed_records == 0
    users = cache["users"]
    assert list(cache.streams) == ["products", "purchases", "users"]
    assert (len(users), len(users.to_pandas()), users.to_arrow().count_rows()) == (10, 10, 10)
    some = users.with_filter('"id" <= 6').with_filter('"id" > 3')
    assert (len(some), sorted(row["id"] for row in some)) == (3, [4, 5, 6])
    assert cache.fetch_table_statistics(["users"]) == {"users": {"num_rows": 10}}
    assert cache.run_sql_query('SELECT count(*) AS "n" FROM "users"') == [{"n": 10}]
    assert cache.get_database_name() == "DB"


def test_a_value_arrives_as_it_left(replayed: Replayed, cache: SnowflakeCache) -> None:
    values = {
        "text": ({"type": "string"}, "007"),
        "copys_null": ({"type": "string"}, "\\N"),
        "zero": ({"type": "number"}, 0.0),
        "no": ({"type": "boolean"}, False),
        "big": ({"type": "integer", "airbyte_type": "big_integer"}, Decimal(10**30)),
        "exact": ({"type": "integer"}, 9007199254740993),
    }
    described = stream(properties={name: schema for name, (schema, _) in values.items()})
    sent = {name: int(v) if isinstance(v, Decimal) else v for name, (_, v) in values.items()}
    lines = [record(**sent), record(**dict.fromkeys(sent)), status("COMPLETE")]
    result = replayed.source(replayed.write([described], lines)).read(cache)
    found = [{name: row[name] for name in values} for row in result["items"]]
    assert found == [{name: v for name, (_, v) in values.items()}, dict.fromkeys(values)]


def test_a_wrong_password_is_told_and_never_shown(snowflake_server: SnowflakeServer) -> None:
    cache = SnowflakeCache(**settings_of(snowflake_server, password="canary-password"))
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    with pytest.raises(exc.PyAirbyteError) as raised:
        source.read(cache)
    assert isinstance(raised.value, AccessDenied)
    assert "canary" not in f"{raised.value!r} {raised.value} {raised.value.as_document()} {cache!r}"


def test_a_key_signs_in_from_a_file_or_a_reference(
    snowflake_server: SnowflakeServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.p8"
    path.write_text(snowflake_server.private_key)
    monkeypatch.setenv("SNOWFLAKE_KEY", snowflake_server.private_key)
    for way in ({"private_key_path": path}, {"private_key": "secret_reference::SNOWFLAKE_KEY"}):
        cache = SnowflakeCache(**settings_of(snowflake_server, password=None, **way))
        assert cache.run_sql_query('SELECT 1 AS "one"') == [{"one": 1}]


def test_one_way_to_sign_in_is_asked_for(snowflake_server: SnowflakeServer) -> None:
    for wrong in ({"password": None}, {"private_key": snowflake_server.private_key}):
        with pytest.raises(ValueError, match="one way to sign in"):
            SnowflakeCache(**settings_of(snowflake_server, **wrong))


def test_the_address_masks_the_password(cache: SnowflakeCache) -> None:
    url = cache.get_sql_alchemy_url()
    assert isinstance(url, SecretString)
    assert "****" in repr(url)
    assert url.endswith(f"@testorg-account1/DB/{cache.schema_name}")


def test_a_destination_gives_its_cache(snowflake_server: SnowflakeServer) -> None:
    settings = settings_of(snowflake_server)
    settings["schema"] = settings.pop("schema_name")
    destination = ab.get_destination("destination-snowflake", config=settings)
    destination.write(ab.get_source("source-faker", config={"count": 5}, streams="users"))
    found = destination.get_sql_cache()
    assert isinstance(found, SnowflakeCache)
    assert found.run_sql_query('SELECT count(*) AS "n" FROM "users"') == [{"n": 5}]
