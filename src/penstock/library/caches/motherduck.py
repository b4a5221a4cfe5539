"""MotherDuck databases as caches: DuckDB's destination at an address of the cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from penstock.destinations.duckdb import DuckDBDestination
from penstock.engine.references import resolve_references
from penstock.engine.settings import ConnectorRef
from penstock.library.caches.base import CacheBase
from penstock.library.constants import DEFAULT_CACHE_ROOT, DEFAULT_CACHE_SCHEMA_NAME
from penstock.library.secrets.lookup import hydrated
from penstock.library.secrets.values import SecretString
from penstock.sdk.config import parse_config


class MotherDuckCache(CacheBase):
    """A database of MotherDuck; DuckDB fetches its extension for it when it first connects."""

    def __init__(
        self,
        *,
        database: str,
        api_key: str,
        schema_name: str = DEFAULT_CACHE_SCHEMA_NAME,
        table_prefix: str | None = None,
        cache_dir: Path | str | None = None,
        cleanup: bool = True,
    ) -> None:
        """`api_key` may be a reference (`${env:X}`, `secret_reference::X`).

        `cleanup` is taken for compatibility: penstock leaves no files to clean up.
        """
        self.cleanup = cleanup
        self._database = database.removeprefix("md:")
        given: dict[str, Any] = {
            "path": f"md:{self._database}",
            "schema": schema_name,
            "motherduck_api_key": api_key,
        }
        settings = hydrated(given)
        self._token = str(resolve_references(settings)["motherduck_api_key"])
        config = parse_config(DuckDBDestination.Config, resolve_references(settings))
        super().__init__(
            DuckDBDestination(config),
            ConnectorRef(name="destination-duckdb", config=settings),
            schema_name=schema_name,
            table_prefix=table_prefix,
            cache_dir=Path(cache_dir) if cache_dir else DEFAULT_CACHE_ROOT,
        )

    def get_database_name(self) -> str:
        """Returns the name of the database."""
        return self._database

    def get_sql_alchemy_url(self) -> SecretString:
        """Returns the address SQLAlchemy reaches it by, with the token in it."""
        token = quote(self._token, safe="")
        return SecretString(f"duckdb:///md:{self._database}?motherduck_token={token}")
