"""The DuckDB destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.destinations.duckdb.dialect import DuckDBDialect
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.duckdb.place import Place, make_folder, place_of
from penstock.sdk.sql.destination import SqlDestination
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


class DuckDBDestination(SqlDestination["DuckDBSession"]):
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
    _dialect: DuckDBDialect

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
            with self._session() as session:
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

    @classmethod
    def apart(cls, config: DuckDBConfig, name: str) -> DuckDBConfig:
        """Returns the configuration of another file beside this one; at MotherDuck, of a schema."""
        if place_of(config.path, config.motherduck_api_key).is_cloud:
            return replace(config, schema=name)
        return replace(config, path=f"{config.path}.{name}")

    def discard(self) -> None:
        """Removes the file, or MotherDuck's schema with all that is in it."""
        if self._place.is_cloud:
            super().discard()
            return
        for behind in ("", ".wal"):
            self._place.path.with_name(self._place.path.name + behind).unlink(missing_ok=True)

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

    def query_confined(self, sql: str, *, seconds: float, rows: int) -> pa.Table:
        """Returns rows of a SELECT that can change nothing and reach nothing but this file."""
        from penstock.destinations.duckdb.confined import (  # noqa: PLC0415 (loads duckdb)
            query_confined,
        )

        return query_confined(self._place, self._config.schema, sql, seconds=seconds, rows=rows)

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements in one transaction; durable on return."""
        with self._opening:
            super().execute(statements)

    @property
    def _where(self) -> Place:
        return self._place

    def _has_storage(self) -> bool:
        return self._place.exists()

    def _make_storage(self) -> None:
        self._place.make_folder()

    def _alone(self, session: DuckDBSession) -> AbstractContextManager[Any]:
        del session
        return self._opening

    def _selected(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a SELECT with all memory and threads DuckDB wants for it."""
        from penstock.destinations.duckdb.session import (  # noqa: PLC0415 (loads duckdb)
            DuckDBSession,
        )

        session = DuckDBSession(self._place, self._config.schema, ("SET TimeZone = 'UTC'",))
        try:
            yield from session.stream(sql, _SCAN_ROWS, parameters)
        finally:
            session.rollback()
            session.close()

    def _scanned(self, table: TableName, sql: str) -> Iterator[pa.RecordBatch]:
        """Yields rows within the configured memory; JSON comes as text."""
        del table
        with self._session() as session:
            yield from session.stream(sql, _SCAN_ROWS)

    @contextmanager
    def _session(self, place: Place | None = None) -> Iterator[DuckDBSession]:
        session = self._open_session(place or self._place)
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
