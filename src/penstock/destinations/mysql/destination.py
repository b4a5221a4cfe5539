"""The MySQL destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.destinations.mysql.dialect import MySQLDialect
from penstock.errors import ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.mysql.address import Address, Preferred, Protection
from penstock.sdk.sql.destination import SqlDestination
from penstock.sdk.sql.writer import sql_writer
from penstock.sdk.tunnel import NoTunnel, Tunnel

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.destinations.mysql.session import MySQLSession

_OLDEST_MARIADB: Final = (10, 6, 1)
_OLDEST_MYSQL: Final = (8, 0, 17)
"""DDL that a crash leaves done or undone; window functions, and a collation that pads nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQLConfig:
    """Where the server is, who writes, and the database that streams land in."""

    host: str = setting(
        title="Host", description="Name or address of the server.", examples=["db.example.org"]
    )
    port: int = setting(
        default=3306, title="Port", description="Its port.", minimum=1, maximum=65535
    )
    database: str = setting(
        title="Database",
        description="Where streams without a namespace land; created when missing. A namespace"
        " is a database of its own.",
        examples=["warehouse"],
    )
    username: str = setting(
        title="Username",
        description="A user who may create, alter, drop and fill tables.",
        alias=["user"],
    )
    password: str | None = setting(
        default=None, title="Password", description="The user's password.", secret=True
    )
    ssl_mode: Protection = setting(
        default=Preferred(),
        title="TLS",
        description="How the connection is protected; only verify_identity is safe from impostors.",
    )
    tunnel_method: Tunnel = setting(
        default=NoTunnel(),
        title="SSH tunnel",
        description="How a server behind a firewall is reached.",
    )


class MySQLDestination(SqlDestination["MySQLSession"]):
    """Writes streams into MySQL or MariaDB; rows and checkpoint in one transaction."""

    Config: ClassVar[type[MySQLConfig]] = MySQLConfig
    title: ClassVar[str] = "MySQL"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-mysql.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        max_identifier_bytes=MySQLDialect.max_identifier_bytes,
        reads_back=True,
    )
    placeholder: ClassVar[str] = MySQLDialect.placeholder
    _dialect: MySQLDialect

    def __init__(self, config: MySQLConfig) -> None:
        self._address = Address(
            host=config.host,
            port=config.port,
            username=config.username,
            password=config.password,
            ssl_mode=config.ssl_mode,
            application="penstock destination",
            tunnel=config.tunnel_method,
        )
        self._dialect = MySQLDialect(config.database)

    def check(self) -> None:
        """Makes, fills and drops a table; the database is made where it is missing.

        Raises AccessDenied, ConfigError, ConnectionFailed or ResourceBusy.
        """
        with self._session() as session:
            _refuse_old(session, self._address)
            name = self._dialect.table(
                TableName(schema=None, name=f"_penstock_check_{uuid.uuid4().hex}")
            )
            session.execute(self._dialect.create_schema(self._dialect.default_schema))
            session.execute(f"CREATE TABLE {name} (value bigint) ENGINE=InnoDB")
            try:
                session.change(f"INSERT INTO {name} VALUES (1)")  # noqa: S608 (quoted)
                session.execute(f"ALTER TABLE {name} COMMENT = 'penstock'")
            finally:
                session.execute(f"DROP TABLE {name}")
            session.execute(f"CREATE TEMPORARY TABLE {name} (value bigint)")

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.sdk.sql.writer` for what is durable when."""
        session = self._connect()
        opened = sql_writer(session, self._dialect, plan)
        try:
            _refuse_old(session, self._address)
            with session.alone():
                session.execute(self._dialect.create_schema(self._dialect.default_schema))
                session.enter()
                if session.has_marks(plan.table):
                    _settle_streams(session, self._dialect)
                    session.repair(plan.table)
                writer = opened.__enter__()
        except BaseException:
            session.close()
            raise
        try:
            yield writer
        finally:
            opened.__exit__(None, None, None)

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints committed for one connection.

        A publication that was interrupted behind its RENAME is stored as complete first.
        """
        with self._session() as session:
            _settle_streams(session, self._dialect)
        return super().stored_states(connection)

    @property
    def _where(self) -> Address:
        return self._address

    def _selected(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        from penstock.destinations.mysql.reading import selected  # noqa: PLC0415 (loads pymysql)

        with self._session() as session:
            yield from selected(session, self._address, sql, parameters)

    def _scanned(self, table: TableName, sql: str) -> Iterator[pa.RecordBatch]:
        """Yields rows in the kinds that the columns were made for."""
        from penstock.destinations.mysql.reading import scanned  # noqa: PLC0415 (loads pymysql)

        with self._session() as session:
            yield from scanned(session, self._address, table, sql)

    def _alone(self, session: MySQLSession) -> AbstractContextManager[None]:
        return session.alone()

    @contextmanager
    def _session(self) -> Iterator[MySQLSession]:
        """Names without a schema mean the default one, where it is already."""
        session = self._connect()
        try:
            session.enter()
            yield session
        finally:
            session.rollback()
            session.close()

    def _connect(self) -> MySQLSession:
        try:
            from penstock.destinations.mysql.session import (  # noqa: PLC0415 (loads pymysql)
                MySQLSession,
            )
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "MySQL needs the package PyMySQL.",
                remedy='Install it: pip install "penstock[mysql]".',
            ) from error
        return MySQLSession(self._address, self._dialect)


def _settle_streams(session: MySQLSession, dialect: MySQLDialect) -> None:
    """Stores streams as complete whose staging was renamed, but whose completion was not stored."""
    from penstock.sdk.sql.state import TABLE_NAME  # noqa: PLC0415

    state = TableName(schema=dialect.default_schema, name=TABLE_NAME)
    if session.columns(state) is None:
        return
    name = dialect.table(state)
    waiting = session.rows(
        f"SELECT DISTINCT table_name, staging_name FROM {name}"  # noqa: S608 (quoted)
        " WHERE staging_name IS NOT NULL AND saved_at IS NOT NULL"
    )
    for table, staging in waiting:
        schema, _, plain = table.rpartition(".")
        published = TableName(schema=schema or None, name=plain)
        if session.is_published(staging, published):
            session.change(
                f"UPDATE {name} SET is_complete = 1, staging_name = NULL"  # noqa: S608 (quoted)
                " WHERE table_name = %s AND staging_name = %s",
                (table, staging),
            )


def _refuse_old(session: MySQLSession, address: Address) -> None:
    from penstock.sdk.mysql.connection import is_mariadb, version_of  # noqa: PLC0415 (pymysql)

    version = version_of(session.connection)
    is_maria = is_mariadb(session.connection)
    oldest = _OLDEST_MARIADB if is_maria else _OLDEST_MYSQL
    if version < oldest:
        product = "MariaDB" if is_maria else "MySQL"
        raise ConfigError(
            f"{address} is {product} {'.'.join(map(str, version))}; penstock writes into"
            f" {'.'.join(map(str, oldest))} and newer.",
            remedy="Upgrade the server.",
        )
