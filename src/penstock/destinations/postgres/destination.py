"""The PostgreSQL destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.destinations.postgres.dialect import PostgresDialect
from penstock.errors import ConfigError, MissingDriver
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
from penstock.sdk.postgres.address import Address, Prefer, Protection
from penstock.sdk.sql.state import StateTable
from penstock.sdk.sql.writer import sql_writer

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.destinations.postgres.session import PostgresSession

_OLDEST_VERSION: Final = 120_000
"""PostgreSQL 12, as `SHOW server_version_num` says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConfig:
    """Where the database is, who writes, and the schema that streams land in."""

    host: str = setting(
        title="Host", description="Name or address of the server.", examples=["db.example.org"]
    )
    port: int = setting(default=5432, title="Port", minimum=1, maximum=65535)
    database: str = setting(title="Database", examples=["warehouse"])
    schema: str = setting(
        default="public",
        title="Default schema",
        description="Where streams without a namespace land; created when missing.",
    )
    username: str = setting(title="Username", alias=["user"])
    password: str | None = setting(default=None, title="Password", secret=True)
    ssl_mode: Protection = setting(
        default=Prefer(),
        title="TLS",
        description="How the connection is protected; only verify-full is safe from impostors.",
    )
    drop_cascade: bool = setting(
        default=False,
        title="Drop dependents",
        description="When an overwrite replaces a table, drop the views and foreign keys that"
        " depend on it too. Otherwise such an overwrite is refused.",
        advanced=True,
    )


class PostgresDestination:
    """Writes streams into a PostgreSQL database; rows and checkpoint in one transaction."""

    Config: ClassVar[type[PostgresConfig]] = PostgresConfig
    title: ClassVar[str] = "PostgreSQL"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-postgres.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        max_identifier_bytes=PostgresDialect.max_identifier_bytes,
        reads_back=True,
    )
    placeholder: ClassVar[str] = PostgresDialect.placeholder

    def __init__(self, config: PostgresConfig) -> None:
        self._address = Address(
            host=config.host,
            port=config.port,
            database=config.database,
            username=config.username,
            password=config.password,
            ssl_mode=config.ssl_mode,
            application="penstock destination",
        )
        self._dialect = PostgresDialect(config.schema, cascades=config.drop_cascade)

    def check(self) -> None:
        """Makes, fills and drops a table in a transaction that is rolled back.

        Raises AccessDenied, ConfigError, ConnectionFailed or ResourceBusy.
        """
        with self._session() as session:
            _refuse_old(session)
            table = TableName(schema=None, name=f"_penstock_check_{uuid.uuid4().hex}")
            name = self._dialect.table(table)
            session.begin()
            session.execute(self._dialect.create_schema(self._dialect.default_schema))
            session.execute(f"CREATE TABLE {name} (value bigint)")
            session.change(f"INSERT INTO {name} VALUES (1)")  # noqa: S608 (quoted)
            session.execute(f"DROP TABLE {name}")
            session.execute("CREATE TEMPORARY TABLE _penstock_check (value bigint)")
            session.rollback()

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.sdk.sql.writer` for what is durable when."""
        session = self._connect()
        opened = sql_writer(session, self._dialect, plan)
        with session.alone():
            writer = opened.__enter__()
        try:
            yield writer
        finally:
            opened.__exit__(None, None, None)

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints committed for one connection; makes nothing."""
        with self._session() as session:
            states = StateTable(session, self._dialect)
            return states.stored(connection) if states.exists() else ()

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a global state durable; raises ResourceBusy when a newer attempt has stored one."""
        with self._session() as session, session.alone():
            states = StateTable(session, self._dialect)
            session.begin()
            states.create()
            states.save_shared(connection, state, fence)
            session.commit()

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        with self._session() as session:
            states = StateTable(session, self._dialect)
            if states.exists():
                session.begin()
                states.forget(connection, streams)
                session.commit()

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table as they are stored; the connection ends with the reader."""
        tail = "" if limit is None else f" LIMIT {int(limit)}"
        return self.query(f"SELECT * FROM {self._dialect.table(table)}{tail}")  # noqa: S608

    def count(self, table: TableName) -> int:
        """Returns the rows of a table; 0 when there is no such table."""
        with self._session() as session:
            if session.columns(table) is None:
                return 0
            query = f"SELECT count(*) FROM {self._dialect.table(table)}"  # noqa: S608
            return int(session.rows(query)[0][0])

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of one SELECT; the connection ends with the reader.

        Raises ConfigError for SQL that is wrong.
        """
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        batches = self._queried(sql, parameters)
        first = next(batches)
        return pa.RecordBatchReader.from_batches(first.schema, _chained(first, batches))

    def query_confined(self, sql: str, *, seconds: float, rows: int) -> pa.Table:
        """Returns rows of a SELECT in a read-only transaction; refuses superusers."""
        from penstock.destinations.postgres.confined import (  # noqa: PLC0415 (loads psycopg)
            query_confined,
        )

        schema = self._dialect.default_schema
        return query_confined(self._address, schema, sql, seconds=seconds, rows=rows)

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements in one transaction; durable on return."""
        with self._session() as session:
            session.begin()
            schema = self._dialect.quote(self._dialect.default_schema)
            session.execute(f"SET LOCAL search_path TO {schema}, public")
            for sql, parameters in statements:
                session.execute(sql, parameters)
            session.commit()

    def table_sql(self, table: TableName) -> str:
        """Returns a table's name as SQL: quoted, in its schema."""
        return self._dialect.table(table)

    def has_table(self, table: TableName) -> bool:
        """Tells whether there is such a table; makes nothing."""
        with self._session() as session:
            return session.columns(table) is not None

    def _queried(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        from penstock.sdk.postgres.query import selected  # noqa: PLC0415 (loads psycopg)

        with self._session() as session:
            session.execute(
                f"SET search_path TO {self._dialect.quote(self._dialect.default_schema)}, public"
            )
            yield from selected(self._address, session.connection, sql, parameters)

    @contextmanager
    def _session(self) -> Iterator[PostgresSession]:
        session = self._connect()
        try:
            yield session
        finally:
            session.rollback()
            session.close()

    def _connect(self) -> PostgresSession:
        try:
            from penstock.destinations.postgres.session import (  # noqa: PLC0415 (loads psycopg)
                PostgresSession,
            )
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "PostgreSQL needs the package psycopg.",
                remedy='Install it: pip install "penstock[postgres]".',
            ) from error
        return PostgresSession(self._address, self._dialect)


def _chained(first: pa.RecordBatch, others: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from others


def _refuse_old(session: PostgresSession) -> None:
    version = int(session.rows("SHOW server_version_num")[0][0])
    if version < _OLDEST_VERSION:
        raise ConfigError(
            f"The server is PostgreSQL {version // 10_000}; penstock writes into 12 and newer.",
            remedy="Upgrade the server.",
        )
