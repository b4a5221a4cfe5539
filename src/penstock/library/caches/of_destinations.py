"""Which destinations can be caches, and the cache on what one of them wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.library.caches.base import CacheBase
from penstock.library.caches.bigquery import BigQueryCache
from penstock.library.caches.duckdb import DuckDBCache
from penstock.library.caches.motherduck import MotherDuckCache
from penstock.library.caches.postgres import PostgresCache
from penstock.library.caches.snowflake import SnowflakeCache
from penstock.library.exceptions import PyAirbyteInputError


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


def _bigquery(config: Any, schema_name: str | None) -> CacheBase:
    return BigQueryCache(
        project_name=config.project_id,
        dataset_name=schema_name or config.dataset_id,
        dataset_location=config.dataset_location,
        credentials_path=config.credentials_json,
        endpoint=config.endpoint,
    )


def _snowflake(config: Any, schema_name: str | None) -> CacheBase:
    schema = schema_name or config.schema
    if schema != schema.lower():
        raise PyAirbyteInputError(
            f"Schema {schema} cannot be a cache's: its name is not in lower case.",
            remedy="Set `schema` of the destination to a name in lower case, and write there.",
        )
    return SnowflakeCache(
        account=config.account,
        username=config.username,
        password=config.password,
        private_key=config.private_key,
        private_key_passphrase=config.private_key_password,
        warehouse=config.warehouse,
        database=config.database,
        role=config.role,
        schema_name=schema,
        data_retention_time_in_days=config.retention_days,
        host=config.host,
        port=config.port,
        is_plain_http=config.is_plain_http,
    )


CACHES: Final[Mapping[str, Callable[[Any, str | None], CacheBase]]] = {
    "destination-bigquery": _bigquery,
    "destination-duckdb": _duckdb,
    "destination-postgres": _postgres,
    "destination-snowflake": _snowflake,
}
"""By the destination's name: its parsed configuration, and a schema of the caller's own."""
