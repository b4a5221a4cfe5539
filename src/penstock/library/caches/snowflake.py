"""Snowflake databases as caches: a schema of one, in penstock's own tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from penstock.destinations.snowflake import SnowflakeDestination
from penstock.engine.references import resolve_references
from penstock.engine.settings import ConnectorRef
from penstock.library.caches.base import CacheBase
from penstock.library.constants import DEFAULT_CACHE_ROOT
from penstock.library.secrets.lookup import hydrated
from penstock.library.secrets.values import SecretString
from penstock.sdk.config import parse_config


class SnowflakeCache(CacheBase):
    """A schema of a Snowflake database; needs `pip install 'penstock[snowflake]'`."""

    def __init__(  # noqa: PLR0913 (PyAirbyte's own fields)
        self,
        *,
        account: str,
        username: str,
        password: str | None = None,
        private_key: str | None = None,
        private_key_path: Path | str | None = None,
        private_key_passphrase: str | None = None,
        warehouse: str | None = None,
        database: str,
        role: str | None = None,
        schema_name: str = "airbyte_raw",
        table_prefix: str | None = None,
        data_retention_time_in_days: int | None = None,
        host: str | None = None,
        port: int | None = None,
        is_plain_http: bool = False,
        cache_dir: Path | str | None = None,
        cleanup: bool = True,
    ) -> None:
        """Exactly one of `password`, `private_key` and `private_key_path`; else ValueError.

        Texts may hold references (`${env:X}`, `secret_reference::X`). `schema_name` becomes lower
        case, as all names of streams do, and stands in quotation marks: "airbyte_raw".
        `data_retention_time_in_days` is for how long Time Travel keeps what was replaced, from
        the day the schema is made. `cleanup` is taken for compatibility: penstock leaves no files
        to clean up.
        """
        ways = [password, private_key, private_key_path]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(
                "Give one way to sign in: `password`, `private_key` or `private_key_path`."
            )
        schema_name = schema_name.lower()
        self.cleanup = cleanup
        key = private_key if private_key is not None else private_key_path
        given: dict[str, Any] = {
            "account": account,
            "username": username,
            "password": password,
            "private_key": None if key is None else str(key),
            "private_key_password": private_key_passphrase,
            "warehouse": warehouse,
            "database": database,
            "schema": schema_name,
            "role": role,
            "retention_days": data_retention_time_in_days,
            "host": host,
            "port": port,
            "is_plain_http": is_plain_http or None,
        }
        settings = {name: value for name, value in hydrated(given).items() if value is not None}
        self._settings = resolve_references(settings)
        super().__init__(
            SnowflakeDestination(parse_config(SnowflakeDestination.Config, self._settings)),
            ConnectorRef(name="destination-snowflake", config=settings),
            schema_name=schema_name,
            table_prefix=table_prefix,
            cache_dir=Path(cache_dir) if cache_dir else DEFAULT_CACHE_ROOT,
        )

    def get_database_name(self) -> str:
        """Returns the name of the database."""
        return str(self._settings["database"])

    def get_sql_alchemy_url(self) -> SecretString:
        """Returns the address for the package snowflake-sqlalchemy, with the password in it.

        A private key stands in no address: give it in `connect_args` there.
        """
        user = quote(self._settings["username"], safe="")
        password = self._settings.get("password")
        who = user if password is None else f"{user}:{quote(password, safe='')}"
        named = {name: self._settings.get(name) for name in ("warehouse", "role")}
        tail = urlencode({name: value for name, value in named.items() if value})
        where = "/".join(
            quote(part, safe="") for part in (self.get_database_name(), self.schema_name)
        )
        return SecretString(
            f"snowflake://{who}@{self._settings['account']}/{where}{f'?{tail}' if tail else ''}"
        )
