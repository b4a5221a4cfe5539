"""The DuckDB source: its settings, its check, and its streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from penstock.errors import ConfigError
from penstock.sdk.config import setting
from penstock.sdk.duckdb.place import place_of
from penstock.sdk.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBSourceConfig:
    """Where the database is."""

    path: str = setting(
        title="Database",
        description="Path of the DuckDB file, which is only read; or md:NAME, a database of"
        " MotherDuck.",
        examples=["warehouse.duckdb", "md:analytics"],
    )
    motherduck_api_key: str | None = setting(
        default=None,
        title="MotherDuck token",
        description="Needed for md: only.",
        secret=True,
    )
    schemas: tuple[str, ...] = setting(
        default=(),
        title="Schemas",
        description="Schemas to read; all when left out.",
        examples=[["main", "sales"]],
    )
    state_rows: int = setting(
        default=1_000_000,
        title="Rows a step",
        description="Rows read before the next state; a sync that is interrupted continues there.",
        minimum=1,
        advanced=True,
    )
    memory_limit_mb: int = setting(
        default=512,
        title="Memory limit",
        description="Megabytes DuckDB may use before it sorts in temporary files.",
        minimum=64,
        advanced=True,
    )
    threads: int = setting(
        default=2,
        title="Threads",
        description="Threads DuckDB may use for one statement.",
        minimum=1,
        advanced=True,
    )


class DuckDBSource:
    """Reads the tables and views of one database, its schemas as namespaces."""

    Config: ClassVar[type[DuckDBSourceConfig]] = DuckDBSourceConfig
    title: ClassVar[str] = "DuckDB"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/source-duckdb.md"
    )

    def __init__(self, config: DuckDBSourceConfig) -> None:
        self._config = config
        self._place = place_of(config.path, config.motherduck_api_key)

    def check(self) -> None:
        """Proves that the database opens and has something to read.

        Raises AccessDenied, ConfigError, ConnectionFailed or ResourceBusy.
        """
        if not self.streams():
            raise ConfigError(
                f"{self._place} has no table"
                f"{' in the schemas named' if self._config.schemas else ''}.",
                remedy="Give the path of a file with tables in it, or other `schemas`.",
                field="schemas" if self._config.schemas else "path",
            )

    def streams(self) -> Sequence[Stream]:
        """Returns a stream for each table and view."""
        from penstock.sources.duckdb.catalogue import (  # noqa: PLC0415 (loads duckdb)
            relations,
            schemas_of,
        )
        from penstock.sources.duckdb.stream import (  # noqa: PLC0415 (loads duckdb)
            DuckDBStream,
            Opening,
            opened,
        )

        if not self._place.exists():
            raise ConfigError(f"There is no {self._place}.", remedy="Correct `path`.", field="path")
        config = self._config
        opening = Opening(
            place=self._place, memory_limit_mb=config.memory_limit_mb, threads=config.threads
        )
        with opened(opening) as connection:
            missing = [name for name in config.schemas if name not in schemas_of(connection)]
            if missing:
                raise ConfigError(
                    f"{self._place} has no schema {', '.join(missing)}.",
                    remedy="Correct `schemas`.",
                    field="schemas",
                )
            found = relations(connection, config.schemas)
        return [
            DuckDBStream(opening=opening, relation=each, state_rows=config.state_rows)
            for each in found
        ]
