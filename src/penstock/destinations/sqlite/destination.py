"""The SQLite destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.data.types import Kind
from penstock.destinations.sqlite.dialect import SQLiteDialect
from penstock.errors import ConfigError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.sql.state import StateTable
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


class SQLiteDestination:
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

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints committed for one connection; makes no file."""
        if not self._path.exists():
            return ()
        with self._session() as session:
            states = StateTable(session, self._dialect)
            return states.stored(connection) if states.exists() else ()

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a global state durable; raises ResourceBusy when a newer attempt has stored one."""
        _make_folder(self._path.parent)
        with self._session() as session:
            states = StateTable(session, self._dialect)
            session.begin()
            states.create()
            states.save_shared(connection, state, fence)
            session.commit()

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        if not self._path.exists():
            return
        with self._session() as session:
            states = StateTable(session, self._dialect)
            if states.exists():
                session.begin()
                states.forget(connection, streams)
                session.commit()

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table in the types its columns declare.

        Raises ConfigError when there is no such table. The file stays open until the reader ends.
        """
        kinds: tuple[Kind | None, ...] | None = None
        if self._path.exists():
            with self._session() as session:
                columns = session.columns(table)
                kinds = None if columns is None else tuple(column.kind for column in columns)
        if kinds is None:
            raise ConfigError(
                f"There is no table {table} in SQLite file {self._path}.",
                remedy="Sync the stream first, or correct the name.",
                table=table,
            )
        tail = "" if limit is None else f" LIMIT {int(limit)}"
        return self._read(f"SELECT * FROM {self._dialect.table(table)}{tail}", (), kinds)  # noqa: S608

    def count(self, table: TableName) -> int:
        """Returns the rows of a table; 0 when there is no such table."""
        if not self._path.exists():
            return 0
        with self._session() as session:
            if session.columns(table) is None:
                return 0
            query = f"SELECT count(*) FROM {self._dialect.table(table)}"  # noqa: S608
            return int(session.rows(query)[0][0])

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of one SELECT: integers, doubles or text, as the values are.

        The file stays open until the reader ends. Raises ConfigError for SQL that is wrong.
        """
        _make_folder(self._path.parent)
        return self._read(sql, parameters, None)

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements in one transaction; makes the file when there is none."""
        _make_folder(self._path.parent)
        with self._session() as session:
            session.begin()
            for sql, parameters in statements:
                session.execute(sql, parameters)
            session.commit()

    def table_sql(self, table: TableName) -> str:
        """Returns a table's name as SQL: quoted, in its schema."""
        return self._dialect.table(table)

    def has_table(self, table: TableName) -> bool:
        """Tells whether there is such a table; makes no file."""
        if not self._path.exists():
            return False
        with self._session() as session:
            return session.columns(table) is not None

    def _read(
        self, sql: str, parameters: Sequence[Any], kinds: Sequence[Kind | None] | None
    ) -> pa.RecordBatchReader:
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        batches = self._batches(sql, parameters, kinds)
        first = next(batches)
        return pa.RecordBatchReader.from_batches(first.schema, _chained(first, batches))

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


def _chained(first: pa.RecordBatch, others: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from others


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
