"""PostgreSQL keeps every promise of a destination."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from penstock.destinations.postgres import PostgresConfig, PostgresDestination
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.known_gaps import KNOWN_GAPS
from tests.servers.postgres import PostgresServer, server_near


@pytest.mark.usefixtures("postgres_server")
class TestPostgres(DestinationSuite):
    destination = PostgresDestination
    loaded_once = ("penstock.destinations.postgres.session",)
    gaps = KNOWN_GAPS["destination-postgres"]

    def config(self, place: Path) -> PostgresConfig:
        return _config(server_near(place), place)

    def wrong_config(self, place: Path) -> PostgresConfig:
        server = server_near(place)
        return _config(server, place, password="wrong")

    def discard(self, place: Path) -> None:
        server = server_near(place)
        server.database("postgres").run(f'DROP SCHEMA IF EXISTS "{_schema(place)}" CASCADE')


def _config(server: PostgresServer, place: Path, *, password: str | None = None) -> PostgresConfig:
    """A schema of the place's own in one database: made quicker than a database."""
    database = server.database("postgres")
    return PostgresConfig(
        host=database.host,
        port=database.port,
        database=database.name,
        username=database.user,
        password=password or database.password,
        schema=_schema(place),
    )


def _schema(place: Path) -> str:
    return "place_" + hashlib.sha256(str(place).encode()).hexdigest()[:16]
