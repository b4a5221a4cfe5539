"""The PostgreSQL destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.destinations.postgres.dialect import PostgresDialect
from penstock.errors import ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.postgres.address import Address, Prefer, Protection
from penstock.sdk.sql.destination import SqlDestination
from penstock.sdk.sql.writer import sql_writer
from penstock.sdk.tunnel import NoTunnel, Tunnel

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
    tunnel_method: Tunnel = setting(
        default=NoTunnel(),
        title="SSH tunnel",
        description="How a server behind a firewall is reached.",
    )
    drop_cascade: bool = setting(
        default=False,
        title="Drop dependents",
        description="When an overwrite replaces a table, drop the views and foreign keys that"
        " depend on it too. Otherwise such an overwrite is refused.",
        advanced=True,
    )


class PostgresDestination(SqlDestination["PostgresSession"]):
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
    _dialect: PostgresDialect

    def __init__(self, config: PostgresConfig) -> None:
        self._address = Address(
            host=config.host,
            port=config.port,
            database=config.database,
            username=config.username,
            password=config.password,
            ssl_mode=config.ssl_mode,
            application="penstock destination",
            tunnel=config.tunnel_method,
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

    def query_confined(self, sql: str, *, seconds: float, rows: int) -> pa.Table:
        """Returns rows of a SELECT in a read-only transaction; refuses superusers."""
        from penstock.destinations.postgres.confined import (  # noqa: PLC0415 (loads psycopg)
            query_confined,
        )

        schema = self._dialect.default_schema
        return query_confined(self._address, schema, sql, seconds=seconds, rows=rows)

    @property
    def _where(self) -> Address:
        return self._address

    def _selected(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        from penstock.sdk.postgres.query import selected  # noqa: PLC0415 (loads psycopg)

        with self._session() as session:
            yield from selected(self._address, session.connection, sql, parameters)

    def _alone(self, session: PostgresSession) -> AbstractContextManager[None]:
        return session.alone()

    @contextmanager
    def _session(self) -> Iterator[PostgresSession]:
        """Names without a schema mean the default one."""
        session = self._connect()
        try:
            schema = self._dialect.quote(self._dialect.default_schema)
            session.execute(f"SET search_path TO {schema}, public")
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


def _refuse_old(session: PostgresSession) -> None:
    version = int(session.rows("SHOW server_version_num")[0][0])
    if version < _OLDEST_VERSION:
        raise ConfigError(
            f"The server is PostgreSQL {version // 10_000}; penstock writes into 12 and newer.",
            remedy="Upgrade the server.",
        )
