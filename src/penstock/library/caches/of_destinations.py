"""Which destinations can be caches, and the cache on what one of them wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.library.caches.base import CacheBase
from penstock.library.caches.duckdb import DuckDBCache
from penstock.library.caches.motherduck import MotherDuckCache
from penstock.library.caches.postgres import PostgresCache


def _duckdb(config: Any, schema_name: str | None) -> CacheBase:
    if config.path.startswith("md:"):
        return MotherDuckCache(
            database=config.path,
            api_key=config.motherduck_api_key or "",
            schema_name=schema_name or config.schema,
        )
    return DuckDBCache(config.path, schema_name=schema_name or config.schema)


def _postgres(config: Any, schema_name: str | None) -> CacheBase:
    return PostgresCache(
        host=config.host,
        port=config.port,
        username=config.username,
        password=config.password,
        database=config.database,
        schema_name=schema_name or config.schema,
        ssl_mode=dataclasses.asdict(config.ssl_mode),
    )


CACHES: Final[Mapping[str, Callable[[Any, str | None], CacheBase]]] = {
    "destination-duckdb": _duckdb,
    "destination-postgres": _postgres,
}
"""By the destination's name: its parsed configuration, and a schema of the caller's own."""
