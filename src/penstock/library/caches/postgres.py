"""PostgreSQL databases as caches; one that PyAirbyte filled is continued."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from penstock.destinations.postgres import PostgresDestination
from penstock.engine.references import resolve_references
from penstock.engine.settings import ConnectorRef
from penstock.library.caches.base import CacheBase
from penstock.library.constants import DEFAULT_CACHE_ROOT
from penstock.library.secrets.lookup import hydrated
from penstock.library.secrets.values import SecretString
from penstock.sdk.config import parse_config


class PostgresCache(CacheBase):
    """A schema of a PostgreSQL database; needs `pip install 'penstock[postgres]'`."""

    def __init__(  # noqa: PLR0913 (PyAirbyte's own fields)
        self,
        *,
        host: str,
        port: int = 5432,
        username: str,
        password: str | None = None,
        database: str,
        schema_name: str = "airbyte_raw",
        table_prefix: str | None = None,
        ssl_mode: str | Mapping[str, Any] | None = None,
        cache_dir: Path | str | None = None,
        cleanup: bool = True,
    ) -> None:
        """`ssl_mode` is a word ("require") or, with certificates, the destination's own setting.

        Texts may hold references (`${env:X}`, `secret_reference::X`). `schema_name` becomes lower
        case, as all names of streams do. `cleanup` is taken for compatibility: penstock leaves no
        files to clean up.
        """
        schema_name = schema_name.lower()
        self.cleanup = cleanup
        given: dict[str, Any] = {
            "host": host,
            "port": port,
            "username": username,
            "password": password,
            "database": database,
            "schema": schema_name,
        }
        if ssl_mode is not None:
            given["ssl_mode"] = {"mode": ssl_mode} if isinstance(ssl_mode, str) else ssl_mode
        settings = {name: value for name, value in hydrated(given).items() if value is not None}
        self._settings = resolve_references(settings)
        super().__init__(
            PostgresDestination(parse_config(PostgresDestination.Config, self._settings)),
            ConnectorRef(name="destination-postgres", config=settings),
            schema_name=schema_name,
            table_prefix=table_prefix,
            cache_dir=Path(cache_dir) if cache_dir else DEFAULT_CACHE_ROOT,
        )

    def get_database_name(self) -> str:
        """Returns the name of the database."""
        return str(self._settings["database"])

    def get_sql_alchemy_url(self) -> SecretString:
        """Returns the address SQLAlchemy reaches the database by, with the password in it."""
        user = quote(self._settings["username"], safe="")
        password = self._settings.get("password")
        who = user if password is None else f"{user}:{quote(password, safe='')}"
        mode = self._settings.get("ssl_mode")
        tail = f"?sslmode={mode['mode']}" if mode else ""
        return SecretString(
            f"postgresql+psycopg://{who}@{self._settings['host']}:{self._settings['port']}"
            f"/{quote(self.get_database_name(), safe='')}{tail}"
        )
