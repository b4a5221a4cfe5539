"""The generic SQL source: its settings, its check, and its streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from penstock.errors import ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.stream import Stream

if TYPE_CHECKING:
    from penstock.sources.sql.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSourceConfig:
    """Where the database is, and who reads it how."""

    url: str = setting(
        title="URL",
        description="A URL of SQLAlchemy's, dialect+driver://user:password@host:port/database; or,"
        " with `adbc_driver`, whatever that driver takes.",
        examples=["oracle+oracledb://reader:…@db.example.org:1521/?service_name=shop"],
        secret=True,
    )
    adbc_driver: str | None = setting(
        default=None,
        title="ADBC driver",
        description="Name of an ADBC driver that is installed, such as snowflake or flightsql: rows"
        " then come in Arrow, and SQLAlchemy is not used.",
        pattern="^[a-z0-9_]+$",
        examples=["flightsql"],
    )
    schemas: tuple[str, ...] = setting(
        default=(),
        title="Schemas",
        description="Schemas to read; the user's default one when left out.",
        examples=[["sales"]],
    )
    batch_rows: int = setting(
        default=10_000,
        title="Rows a batch",
        description="Rows fetched at once by SQLAlchemy; an ADBC driver decides itself.",
        minimum=1,
        advanced=True,
    )


class SqlSource:
    """Reads the tables and views of a database that has no connector of its own."""

    Config: ClassVar[type[SqlSourceConfig]] = SqlSourceConfig
    title: ClassVar[str] = "SQL"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/source-sql.md"
    )

    def __init__(self, config: SqlSourceConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Proves that the user gets in and finds something to read.

        Raises AccessDenied, ConfigError, ConnectionFailed or MissingDriver.
        """
        if not self.streams():
            schemas = ", ".join(self._config.schemas) or "the default schema"
            raise ConfigError(
                f"There is no table in {schemas} that this user may see.",
                remedy="Name schemas in `schemas`, or grant the user SELECT.",
                field="schemas",
            )

    def streams(self) -> Sequence[Stream]:
        """Returns a stream for each table and view."""
        from penstock.sources.sql.stream import SqlStream  # noqa: PLC0415 (loads pyarrow)

        database = self._database()
        return [
            SqlStream(database=database, relation=each)
            for each in database.relations(self._config.schemas)
        ]

    def _database(self) -> Database:
        config = self._config
        if config.adbc_driver is None:
            from penstock.sources.sql.alchemy import (  # noqa: PLC0415 (loads SQLAlchemy)
                AlchemyDatabase,
            )

            return AlchemyDatabase(config.url, config.batch_rows)
        try:
            from penstock.sources.sql.adbc import AdbcDatabase  # noqa: PLC0415 (an extra)
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "ADBC drivers need the package adbc-driver-manager.",
                remedy='Install it: pip install "penstock[adbc]".',
            ) from error
        return AdbcDatabase(config.adbc_driver, config.url)
