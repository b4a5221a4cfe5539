"""The PostgreSQL source: its settings, its check, and its streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from penstock.data.types import Kind
from penstock.errors import ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.postgres.address import Address, Prefer, Protection
from penstock.sdk.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSourceConfig:
    """Where the database is, who reads, and which schemas."""

    host: str = setting(
        title="Host", description="Name or address of the server.", examples=["db.example.org"]
    )
    port: int = setting(
        default=5432, title="Port", description="Its port.", minimum=1, maximum=65535
    )
    database: str = setting(
        title="Database", description="The database to read.", examples=["shop"]
    )
    username: str = setting(
        title="Username",
        description="A user with SELECT on the tables; others are not listed.",
        alias=["user"],
    )
    password: str | None = setting(
        default=None, title="Password", description="The user's password.", secret=True
    )
    schemas: tuple[str, ...] = setting(
        default=(),
        title="Schemas",
        description="Schemas to read; all that the user may use when left out.",
        examples=[["public", "sales"]],
    )
    ssl_mode: Protection = setting(
        default=Prefer(),
        title="TLS",
        description="How the connection is protected; only verify-full is safe from impostors.",
    )
    wide_numerics: Literal["text", "decimal"] = setting(
        default="text",
        title="Wide numerics",
        description="Columns of numeric without limits, or beyond 38 digits and 9 places: as text"
        " with every digit, or as decimals of 38 digits and 9 places, where what is cut off is"
        " recorded.",
        advanced=True,
    )
    page_blocks: int = setting(
        default=8192,
        title="Pages a step",
        description="Pages of 8 kB that a table is read in before the next state; a sync that"
        " is interrupted continues there.",
        minimum=1,
        advanced=True,
    )


class PostgresSource:
    """Reads the tables and views of one database, its schemas as namespaces."""

    Config: ClassVar[type[PostgresSourceConfig]] = PostgresSourceConfig
    title: ClassVar[str] = "PostgreSQL"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/source-postgres.md"
    )

    def __init__(self, config: PostgresSourceConfig) -> None:
        self._config = config
        self._address = Address(
            host=config.host,
            port=config.port,
            database=config.database,
            username=config.username,
            password=config.password,
            ssl_mode=config.ssl_mode,
            application="penstock source",
        )

    def check(self) -> None:
        """Proves that the user gets in and finds something to read.

        Raises AccessDenied, ConfigError, ConnectionFailed or ResourceBusy.
        """
        if not self.streams():
            raise ConfigError(
                f"{self._address}: {self._config.username} may read no table"
                f" {'of the schemas named' if self._config.schemas else 'of any schema'}.",
                remedy=f"Grant it: GRANT USAGE ON SCHEMA … TO {self._config.username};"
                f" GRANT SELECT ON ALL TABLES IN SCHEMA … TO {self._config.username}.",
                field="schemas",
            )

    def streams(self) -> Sequence[Stream]:
        """Returns a stream for each table and view that the user may read."""
        try:
            import psycopg  # noqa: F401, PLC0415 (is it there?)
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "PostgreSQL needs the package psycopg.",
                remedy='Install it: pip install "penstock[postgres]".',
            ) from error
        from penstock.sdk.postgres.connection import connected  # noqa: PLC0415 (loads psycopg)
        from penstock.sources.postgres.catalogue import (  # noqa: PLC0415 (loads psycopg)
            missing_schemas,
            relations,
        )
        from penstock.sources.postgres.stream import PostgresStream  # noqa: PLC0415 (the same)

        config = self._config
        wide_as = Kind.DECIMAL if config.wide_numerics == "decimal" else Kind.STRING
        with connected(self._address) as connection:
            missing = missing_schemas(connection, config.schemas)
            if missing:
                raise ConfigError(
                    f"{self._address}: there is no schema {', '.join(missing)} that"
                    f" {config.username} may use.",
                    remedy="Correct `schemas`, or grant it: GRANT USAGE ON SCHEMA"
                    f" {missing[0]} TO {config.username}.",
                    field="schemas",
                )
            found = relations(connection, config.schemas, wide_as=wide_as)
        return [
            PostgresStream(address=self._address, relation=each, page_blocks=config.page_blocks)
            for each in found
        ]
