"""Caches: where `read` puts rows, and where they are read from again."""

from __future__ import annotations

from penstock.library.caches.base import CacheBase
from penstock.library.caches.bigquery import BigQueryCache
from penstock.library.caches.duckdb import (
    DuckDBCache,
    get_colab_cache,
    get_default_cache,
    new_local_cache,
)
from penstock.library.caches.motherduck import MotherDuckCache
from penstock.library.caches.postgres import PostgresCache
from penstock.library.caches.snowflake import SnowflakeCache

__all__ = [
    "BigQueryCache",
    "CacheBase",
    "DuckDBCache",
    "MotherDuckCache",
    "PostgresCache",
    "SnowflakeCache",
    "get_colab_cache",
    "get_default_cache",
    "new_local_cache",
]
