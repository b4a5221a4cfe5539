"""The DuckDB destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.destinations.duckdb.dialect import DuckDBDialect
from penstock.destinations.duckdb.place import Place, make_folder, place_of
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

    from penstock.destinations.duckdb.session import DuckDBSession

_SCAN_ROWS: Final = 65_536
_LOAD_BYTES: Final = 8 << 20
"""An INSERT in process needs no round trip; 16 MB take the same time and 20 MB more memory."""
_KILOBYTES_PER_COLUMN: Final = 1024
"""What an INSERT holds for each column of a wide table, measured with 1,600 columns."""

_GIVES_BACK: Final = {
    "allocator_flush_threshold": "8MB",
    "allocator_bulk_deallocation_flush_threshold": "8MB",
}
"""Freed memory goes back to the system early: DuckDB would keep 128 MB a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBConfig:
    """Where the file is, and how much of the machine it may use."""

    path: str = setting(
        title="Database file",
        description="Path of the DuckDB file. It is created, with its folder, when missing."
        " md:NAME is a database of MotherDuck.",
        examples=["warehouse.duckdb", "~/data/warehouse.duckdb", "md:warehouse"],
        alias=["destination_path"],
    )
    motherduck_api_key: str | None = setting(
        default=None,
        title="MotherDuck token",
        description="Access token, for a path that begins with md:.",
        secret=True,
    )
    schema: str = setting(
        default="main",
        title="Default schema",
        description="Where streams without a namespace land; created when missing.",
    )
    memory_limit_mb: int = setting(
        default=100,
        title="Memory limit",
        description="Megabytes DuckDB may use before it writes to temporary files beside the"
        " database. Wide tables get more: one megabyte a column.",
        minimum=64,
        advanced=True,
    )
    threads: int = setting(
        default=1,
        title="Threads",
        description="Threads DuckDB may use for one statement. One loads into full row groups;"
        " with more, merging keys is quicker, but files grow and have to be rewritten at the end.",
        minimum=1,
        advanced=True,
    )


class DuckDBDestination:
    """Writes streams into a DuckDB file; rows and checkpoint in one transaction."""

    Config: ClassVar[type[DuckDBConfig]] = DuckDBConfig
    title: ClassVar[str] = "DuckDB"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-duckdb.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        max_identifier_bytes=DuckDBDialect.max_identifier_bytes,
        reads_back=True,
    )
    placeholder: ClassVar[str] = DuckDBDialect.placeholder

    def __init__(self, config: DuckDBConfig) -> None:
        self._config = config
        self._place = place_of(config.path, config.motherduck_api_key)
        self._dialect = DuckDBDialect(default_schema=config.schema)
        self._opening = threading.Lock()
        """Writers that open side by side would collide in DuckDB's catalogue."""

    def check(self) -> None:
        """Makes, fills and drops a table: in the file, or in a new one where there is none.

        Raises ConfigError, AccessDenied, ResourceBusy or ResourceExhausted.
        """
        if self._place.exists():
            with self._session(self._place) as session:
                _try_table(session, self._dialect)
            return
        folder = _nearest_folder(self._place.path)
        trial = folder / f".penstock-check-{uuid.uuid4().hex}.duckdb"
        try:
            with self._session(Place(database=str(trial))) as session:
                _try_table(session, self._dialect)
        finally:
            for leftover in (trial, trial.with_name(trial.name + ".wal")):
                leftover.unlink(missing_ok=True)

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.sdk.sql.writer` for what is durable when."""
        self._place.make_folder()
        with self._opening:
            session = self._open_session(self._place, columns=len(plan.columns))
            dialect = replace(self._dialect, has_zstd=session.has_zstd())
            opened = sql_writer(session, dialect, plan, load_bytes=_LOAD_BYTES)
            writer = opened.__enter__()
        try:
            yield writer
        finally:
            opened.__exit__(None, None, None)

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints committed for one connection; makes no file."""
        if not self._place.exists():
            return ()
        with self._session(self._place) as session:
            states = StateTable(session, self._dialect)
            return states.stored(connection) if states.exists() else ()

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a global state durable; raises ResourceBusy when a newer attempt has stored one."""
        self._place.make_folder()
        with self._opening, self._session(self._place) as session:
            states = StateTable(session, self._dialect)
            session.begin()
            states.create()
            states.save_shared(connection, state, fence)
            session.commit()

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        if not self._place.exists():
            return
        with self._opening, self._session(self._place) as session:
            states = StateTable(session, self._dialect)
            if states.exists():
                session.begin()
                states.forget(connection, streams)
                session.commit()

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table as they are stored; JSON comes as text.

        Raises ConfigError when there is no such table. The file stays open until the reader ends.
        """
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        tail = "" if limit is None else f" LIMIT {int(limit)}"
        query = f"SELECT * FROM {self._dialect.table(table)}{tail}"  # noqa: S608
        batches = self._scanned(table, query)
        first = next(batches)
        return pa.RecordBatchReader.from_batches(first.schema, batches)

    def count(self, table: TableName) -> int:
        """Returns the rows of a table; 0 when there is no such table."""
        if not self._place.exists():
            return 0
        with self._session(self._place) as session:
            if session.columns(table) is None:
                return 0
            query = f"SELECT count(*) FROM {self._dialect.table(table)}"  # noqa: S608
            return int(session.rows(query)[0][0])

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of one SELECT, with all memory and threads DuckDB wants for it.

        The file stays open until the reader ends. Raises ConfigError for SQL that is wrong.
        """
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        batches = self._queried(sql, parameters)
        first = next(batches)
        return pa.RecordBatchReader.from_batches(first.schema, batches)

    def query_confined(self, sql: str, *, seconds: float, rows: int) -> pa.Table:
        """Returns rows of a SELECT that can change nothing and reach nothing but this file."""
        from penstock.destinations.duckdb.confined import (  # noqa: PLC0415 (loads duckdb)
            query_confined,
        )

        return query_confined(self._place, self._config.schema, sql, seconds=seconds, rows=rows)

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements in one transaction; makes the file when there is none."""
        self._place.make_folder()
        with self._opening, self._session(self._place) as session:
            session.begin()
            for sql, parameters in statements:
                session.execute(sql, parameters)
            session.commit()

    def table_sql(self, table: TableName) -> str:
        """Returns a table's name as SQL: quoted, in its schema."""
        return self._dialect.table(table)

    def has_table(self, table: TableName) -> bool:
        """Tells whether there is such a table; makes no file."""
        if not self._place.exists():
            return False
        with self._session(self._place) as session:
            return session.columns(table) is not None

    def _queried(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        from penstock.destinations.duckdb.session import (  # noqa: PLC0415 (loads duckdb)
            DuckDBSession,
        )

        self._place.make_folder()
        session = DuckDBSession(self._place, self._config.schema, ("SET TimeZone = 'UTC'",))
        try:
            yield from session.stream(sql, _SCAN_ROWS, parameters)
        finally:
            session.rollback()
            session.close()

    def _scanned(self, table: TableName, query: str) -> Iterator[pa.RecordBatch]:
        if not self._place.exists():
            raise _no_table(table, self._place)
        with self._session(self._place) as session:
            if session.columns(table) is None:
                raise _no_table(table, self._place)
            yield from session.stream(query, _SCAN_ROWS)

    @contextmanager
    def _session(self, place: Place) -> Iterator[DuckDBSession]:
        session = self._open_session(place)
        try:
            yield session
        finally:
            session.rollback()
            session.close()

    def _open_session(self, place: Place, *, columns: int = 0) -> DuckDBSession:
        from penstock.destinations.duckdb.session import (  # noqa: PLC0415 (loads duckdb)
            DuckDBSession,
        )

        limit = max(self._config.memory_limit_mb, columns * _KILOBYTES_PER_COLUMN // 1024)
        settings = (
            f"SET memory_limit = '{limit}MB'",
            f"SET threads = {self._config.threads}",
            "SET preserve_insertion_order = false",
            *(f"SET {name} = '{value}'" for name, value in _GIVES_BACK.items()),
            "SET TimeZone = 'UTC'",
        )
        return DuckDBSession(place, self._config.schema, settings)


def _try_table(session: DuckDBSession, dialect: DuckDBDialect) -> None:
    """Proves that a table can be made, filled and dropped, and takes it all back."""
    table = dialect.table(TableName(schema=None, name=f"_penstock_check_{uuid.uuid4().hex}"))
    session.begin()
    session.execute(dialect.create_schema(dialect.default_schema))
    session.execute(f"CREATE TABLE {table} (value BIGINT)")
    session.change(f"INSERT INTO {table} VALUES (1)")  # noqa: S608
    session.execute(f"DROP TABLE {table}")
    session.rollback()


def _nearest_folder(path: Path) -> Path:
    """Returns the folder in which the file, or the first folder to be made, will be made."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    make_folder(folder)
    return folder


def _no_table(table: TableName, place: Place) -> ConfigError:
    return ConfigError(
        f"There is no table {table} in {place}.", remedy="Sync the stream first.", table=table
    )
