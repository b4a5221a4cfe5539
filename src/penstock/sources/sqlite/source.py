"""The SQLite source: its settings, its check, and its streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from penstock.errors import ConfigError
from penstock.sdk.config import setting
from penstock.sdk.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLiteSourceConfig:
    """Where the file is."""

    path: str = setting(
        title="Database file",
        description="Path of the SQLite file; it is only read.",
        examples=["app.sqlite", "~/data/app.db"],
    )
    sample_rows: int = setting(
        default=10_000,
        title="Rows looked at",
        description="Rows at the begin of a table whose values tell what a column holds: SQLite"
        " takes any value in any column, whatever its type says.",
        minimum=0,
        advanced=True,
    )
    state_rows: int = setting(
        default=50_000,
        title="Rows a step",
        description="Rows read before the next state; a sync that is interrupted continues there.",
        minimum=1,
        advanced=True,
    )


class SQLiteSource:
    """Reads the tables and views of one file."""

    Config: ClassVar[type[SQLiteSourceConfig]] = SQLiteSourceConfig
    title: ClassVar[str] = "SQLite"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/source-sqlite.md"
    )

    def __init__(self, config: SQLiteSourceConfig) -> None:
        self._config = config
        self._path = Path(config.path).expanduser().absolute()

    def check(self) -> None:
        """Proves that the file is a database with something to read.

        Raises AccessDenied, ConfigError or ResourceBusy.
        """
        if not self.streams():
            raise ConfigError(
                f"SQLite file {self._path} has no table.",
                remedy="Give the path of a file with tables in it.",
                field="path",
            )

    def streams(self) -> Sequence[Stream]:
        """Returns a stream for each table and view."""
        from penstock.sources.sqlite.catalogue import relations  # noqa: PLC0415 (a test: light)
        from penstock.sources.sqlite.stream import SQLiteStream  # noqa: PLC0415 (loads pyarrow)

        if not self._path.is_file():
            raise ConfigError(
                f"There is no file {self._path}.",
                remedy="Correct `path`.",
                field="path",
            )
        return [
            SQLiteStream(path=self._path, relation=each, state_rows=self._config.state_rows)
            for each in relations(self._path, self._config.sample_rows)
        ]
