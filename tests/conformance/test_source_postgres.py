"""The PostgreSQL source keeps every promise of a source."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.sources.postgres import PostgresSource, PostgresSourceConfig
from penstock.testing.source_suite import SourceSuite
from tests.servers.postgres import PostgresDatabase, PostgresServer, server_near

_EVERYTHING = """
CREATE TABLE {schema}.visits (
    id bigint PRIMARY KEY, code text, amount numeric(12,2), precise numeric, share float8,
    is_new boolean, day date, at timestamptz, local timestamp, hour time, length interval,
    tags text[], extra jsonb, token uuid, raw bytea)
"""
_ROWS = """
INSERT INTO {schema}.visits
SELECT i, lpad(i::text, 5, '0'), i / 100.0, i / 7.0, i / 4.0, i % 3 = 0, date '2024-02-01' + i % 28,
       timestamptz '2024-02-29 12:00+05:30' + i * interval '1 second',
       timestamp '2024-02-29 12:00' + i * interval '1 microsecond',
       time '00:00' + i * interval '1 s',
       i * interval '1 day 1 second', array[i::text, null, 'पुणे'],
       jsonb_build_object('i', i, 'half', i / 2.0), md5(i::text)::uuid, decode(md5(i::text), 'hex')
  FROM generate_series(1, {rows}) AS i
"""
_WITHOUT_KEY = """
CREATE TABLE {schema}.notes AS SELECT i, CASE WHEN i % 5 > 0 THEN repeat('x', i) END AS note
  FROM generate_series(1, {rows}) AS i
"""


class PostgresSourceSuite(SourceSuite):
    source = PostgresSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"host": "127.0.0.1", "database": "x", "username": "x", name: value}
        for name, value in {"port": 0, "ssl_mode": {"mode": "maybe"}, "schemas": "all"}.items()
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        "visits": {"base": 2**40, "block": 0, "seen": None, "file": None}
    }

    def prepared(self, place: Path, rows: int) -> PostgresSourceConfig:
        server = server_near(place)
        schema = "source_" + hashlib.sha256(str(place).encode()).hexdigest()[:16]
        made = [f"CREATE SCHEMA {schema}", _EVERYTHING, _ROWS, _WITHOUT_KEY]
        database = server.database("postgres")
        database.run(*(text.format(schema=schema, rows=rows) for text in made))
        return config_for(server, database, schemas=(schema,), page_blocks=2)


def config_for(
    server: PostgresServer, database: PostgresDatabase, **others: Any
) -> PostgresSourceConfig:
    return PostgresSourceConfig(
        host=database.host,
        port=server.port,
        database=database.name,
        username=database.user,
        password=database.password,
        **others,
    )


@pytest.mark.usefixtures("postgres_server")
class TestPostgresSource(PostgresSourceSuite):
    def config(self, place: Path) -> PostgresSourceConfig:
        return self.prepared(place, 300)

    def empty_config(self, place: Path) -> PostgresSourceConfig:
        return self.prepared(place, 0)
