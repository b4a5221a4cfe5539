"""MotherDuck as far as its door: what DuckDB is given, and what it answers without an account."""

from __future__ import annotations

import duckdb
import pytest

import penstock as ab
from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.library import exceptions as exc
from penstock.library.caches import MotherDuckCache
from penstock.library.secrets import SecretString
from penstock.sdk.duckdb.failures import as_penstock_error
from penstock.sdk.duckdb.place import place_of

TOKEN = "canary-token"


def test_the_token_is_given_beside_the_name_and_never_in_it() -> None:
    place = place_of("md:warehouse", TOKEN)
    assert place.database == "md:warehouse"
    assert place.settings["motherduck_token"] == TOKEN
    assert place.exists()
    assert TOKEN not in f"{place} {place!r}"


def test_settings_in_the_name_are_refused_without_showing_them() -> None:
    with pytest.raises(ConfigError) as raised:
        DuckDBDestination(DuckDBConfig(path=f"md:x?motherduck_token={TOKEN}"))
    assert TOKEN not in str(raised.value)


def test_a_read_knocks_at_motherducks_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MD", TOKEN)
    cache = MotherDuckCache(database="penstock_test", api_key="${env:MD}")
    source = ab.get_source("source-faker", config={"count": 1}, streams="users")
    with pytest.raises(PenstockError) as raised:
        source.read(cache)
    assert isinstance(raised.value, ConnectionFailed | AccessDenied)
    assert isinstance(raised.value, exc.PyAirbyteError)
    said = f"{raised.value} {raised.value.as_document()} {cache!r}"
    assert "MotherDuck database penstock_test" in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('Failed to download extension "motherduck" at URL "http://…"', ConnectionFailed),
        ("Your request is not authenticated. Please check your MotherDuck token.", AccessDenied),
    ],
)
def test_what_the_door_says_is_translated(message: str, expected: type[PenstockError]) -> None:
    error = as_penstock_error(
        duckdb.IOException(f"{message} {TOKEN}"), place_of("md:warehouse", TOKEN)
    )
    assert type(error) is expected
    assert TOKEN not in str(error)
    assert "MotherDuck database warehouse" in str(error)


def test_its_sql_is_not_run_for_an_assistant() -> None:
    cache = MotherDuckCache(database="warehouse", api_key=TOKEN)
    assert isinstance(cache.destination, DuckDBDestination)
    with pytest.raises(ConfigError, match="cannot be asked like this"):
        cache.destination.query_confined("SELECT 1", seconds=1, rows=1)


def test_its_address_for_sqlalchemy_is_masked() -> None:
    address = MotherDuckCache(database="warehouse", api_key=TOKEN).get_sql_alchemy_url()
    assert isinstance(address, SecretString)
    assert TOKEN not in repr(address)
    assert str.__str__(address) == f"duckdb:///md:warehouse?motherduck_token={TOKEN}"


def test_a_destination_at_motherduck_gives_its_cache() -> None:
    config = {"path": "md:warehouse", "motherduck_api_key": TOKEN}
    cache = ab.get_destination("destination-duckdb", config=config).get_sql_cache()
    assert isinstance(cache, MotherDuckCache)
    assert cache.get_database_name() == "warehouse"
