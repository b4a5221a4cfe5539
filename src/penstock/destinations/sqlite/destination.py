"""The SQLite destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.data.types import Kind
from penstock.destinations.sqlite.dialect import SQLiteDialect
from penstock.errors import ConfigError
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.sql.destination import SqlDestination
from penstock.sdk.sql.writer import sql_writer

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.destinations.sqlite.session import SQLiteSession

_BESIDE: tuple[str, ...] = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps for a database, behind its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLiteConfig:
    """Where the file is."""

    path: str = setting(
        title="Database file",
        description="Path of the SQLite file. It is created, with its folder, when missing.",
        examples=["warehouse.sqlite", "~/data/warehouse.sqlite"],
        alias=["destination_path"],
    )
    busy_seconds: int = setting(
        default=60,
        title="Patience",
        description="Seconds to wait while another program writes to the file.",
        minimum=1,
        advanced=True,
    )


class SQLiteDestination(SqlDestination["SQLiteSession"]):
    """Writes streams into an SQLite file; rows and checkpoint in one transaction."""

    Config: ClassVar[type[SQLiteConfig]] = SQLiteConfig
    title: ClassVar[str] = "SQLite"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-sqlite.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        max_identifier_bytes=SQLiteDialect.max_identifier_bytes,
        reads_back=True,
    )
    placeholder: ClassVar[str] = SQLiteDialect.placeholder
    _dialect: SQLiteDialect

    def __init__(self, config: SQLiteConfig) -> None:
        self._config = config
        self._path = _path_of(config.path)
        self._dialect = SQLiteDialect()

    def check(self) -> None:
        """Makes, fills and drops a table: in the file, or in a new one where there is none.

        Raises ConfigError, AccessDenied, ResourceBusy or ResourceExhausted.
        """
        if self._path.exists():
            self._try_table(self._path)
            return
        trial = _nearest_folder(self._path) / f".penstock-check-{uuid.uuid4().hex}.sqlite"
        try:
            self._try_table(trial)
        finally:
            for behind in _BESIDE:
                trial.with_name(trial.name + behind).unlink(missing_ok=True)

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.sdk.sql.writer` for what is durable when."""
        _make_folder(self._path.parent)
        session = self._connect(self._path)
        with sql_writer(session, self._dialect, plan) as writer:
            session.lock_late()
            yield writer

    @classmethod
    def apart(cls, config: SQLiteConfig, name: str) -> SQLiteConfig:
        """Returns the configuration of another file, beside this one."""
        return replace(config, path=f"{config.path}.{name}")

    def discard(self) -> None:
        """Removes the file, and what SQLite keeps beside it."""
        for behind in _BESIDE:
            self._path.with_name(self._path.name + behind).unlink(missing_ok=True)

    @property
    def _where(self) -> str:
        return f"SQLite file {self._path}"

    def _has_storage(self) -> bool:
        return self._path.exists()

    def _make_storage(self) -> None:
        _make_folder(self._path.parent)

    def _selected(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Yields integers, doubles or text, as the values are."""
        return self._batches(sql, parameters, None)

    def _scanned(self, table: TableName, sql: str) -> Iterator[pa.RecordBatch]:
        """Yields rows in the types that the columns declare."""
        with self._session() as session:
            columns = session.columns(table)
        kinds = None if columns is None else tuple(column.kind for column in columns)
        return self._batches(sql, (), kinds)

    def _batches(
        self, sql: str, parameters: Sequence[Any], kinds: Sequence[Kind | None] | None
    ) -> Iterator[pa.RecordBatch]:
        from penstock.destinations.sqlite.reading import batches_of_rows  # noqa: PLC0415 (pyarrow)

        with self._session() as session:
            yield from batches_of_rows(session.stream(sql, parameters), kinds, self._path)

    def _try_table(self, path: Path) -> None:
        """Proves that a table can be made, filled and dropped, and takes it all back."""
        table = self._dialect.table(TableName(schema=None, name=f"_check_{uuid.uuid4().hex}"))
        with self._session(path, changes_journal=False) as session:
            session.begin()
            session.execute(f"CREATE TABLE {table} (value BIGINT)")
            session.change(f"INSERT INTO {table} VALUES (1)")  # noqa: S608
            session.execute(f"DROP TABLE {table}")

    @contextmanager
    def _session(
        self, path: Path | None = None, *, changes_journal: bool = True
    ) -> Iterator[SQLiteSession]:
        session = self._connect(path or self._path, changes_journal=changes_journal)
        try:
            yield session
        finally:
            session.rollback()
            session.close()

    def _connect(self, path: Path, *, changes_journal: bool = True) -> SQLiteSession:
        from penstock.destinations.sqlite.session import SQLiteSession  # noqa: PLC0415 (pyarrow)

        seconds = self._config.busy_seconds
        return SQLiteSession(path, busy_seconds=seconds, changes_journal=changes_journal)


def _path_of(path: str) -> Path:
    if path.strip() in ("", ":memory:"):
        raise ConfigError(
            f"{path!r} is not the path of an SQLite file.",
            remedy="Set `path` to a file, such as warehouse.sqlite: what is synced must outlive"
            " the sync.",
            field="path",
        )
    return Path(path).expanduser().absolute()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Folder {folder} for the SQLite file cannot be made: {os.strerror(error.errno or 0)}.",
            remedy="Choose a path in a folder you may write to.",
            field="path",
        ) from error


def _nearest_folder(path: Path) -> Path:
    """Returns the folder in which the file, or the first folder to be made, will be made."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    _make_folder(folder)
    return folder
