"""One connection with the settings that make values exact, and LOAD DATA of rows of our own."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pymysql
from pymysql.connections import MySQLResult
from pymysql.constants import CLIENT, COMMAND
from pymysql.protocol import OKPacketWrapper

from penstock.errors import ProtocolError
from penstock.sdk.mysql.address import Address, Disabled, Preferred
from penstock.sdk.mysql.failures import translated
from penstock.sdk.tunnel import LOOPBACK, NoTunnel, open_tunnel

if TYPE_CHECKING:
    from penstock.sdk.ssh import OpenTunnel

    _Plain = pymysql.Connection[Any]
else:
    _Plain = pymysql.Connection  # generic in its stubs only

Connection: TypeAlias = "pymysql.Connection[Any]"

SQL_MODE: Final = (
    "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
)
_CONNECT_SECONDS: Final = 15
_SILENCE_SECONDS: Final = 1800
"""Longest that one statement may say nothing: a merge or a change of a large table."""
_PIECE_BYTES: Final = 4 << 20

_SESSION: Final = (
    f"SET SESSION sql_mode = '{SQL_MODE}', time_zone = '+00:00', innodb_lock_wait_timeout = 300,"
    " lock_wait_timeout = 300, net_read_timeout = 600, net_write_timeout = 600,"
    " wait_timeout = 28800, group_concat_max_len = 1048576, foreign_key_checks = 1,"
    " transaction_isolation = 'READ-COMMITTED'"
)
"""Values do not depend on the server's settings. MariaDB before 11.1 knows tx_isolation."""


def connect(address: Address) -> Connection:
    """Returns a connection outside any transaction; raises AccessDenied, ConfigError and kin."""
    with translated(address):
        connection = _dialled(
            address,
            host=address.host,
            port=address.port,
            user=address.username,
            password=(address.password or "").encode(),
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_SILENCE_SECONDS,
            write_timeout=_SILENCE_SECONDS,
            program_name=address.application,
            # Rows are sent on demand of our own LOAD DATA only: `local_infile` stays off, so that
            # a server's request for a file of this machine is refused by the driver.
            client_flag=CLIENT.FOUND_ROWS | CLIENT.LOCAL_FILES,
            # With a context the driver insists on TLS; with none it takes what the server offers.
            ssl=None if isinstance(address.ssl_mode, Preferred) else address.context(),
            ssl_disabled=isinstance(address.ssl_mode, Disabled),
        )
        try:
            connection.query(_session_sql(connection))
        except pymysql.Error:
            close(connection)
            raise
    return connection


class _Tunnelled(_Plain):
    """A connection whose end is the end of its tunnel, too."""

    tunnel: OpenTunnel


def _dialled(address: Address, **given: Any) -> Connection:
    if isinstance(address.tunnel, NoTunnel):
        return pymysql.Connection(**given)
    tunnel = open_tunnel(address.tunnel, address.host, address.port)
    try:
        # The host stays, since certificates name it; only the way there is another.
        connection = _Tunnelled(**given, defer_connect=True)
        connection.tunnel = tunnel
        connection.connect(socket.create_connection((LOOPBACK, tunnel.port), _CONNECT_SECONDS))
    except (pymysql.Error, OSError):
        try:
            tunnel.explain()
        finally:
            tunnel.close()
        raise
    return connection


@contextmanager
def connected(address: Address) -> Iterator[Connection]:
    """Opens a connection and closes it at the end; errors are translated."""
    connection = connect(address)
    try:
        with translated(address):
            yield connection
    finally:
        close(connection)


def close(connection: Connection) -> None:
    """Closes a connection, also one that broke."""
    if connection.open:
        connection.close()
    if isinstance(connection, _Tunnelled):
        connection.tunnel.close()


def rows_of(
    connection: Connection, query: str, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Returns the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, tuple(parameters) or None)
        return [tuple(row) for row in cursor.fetchall()]


def identifier(*names: str) -> str:
    """Returns a qualified name as SQL."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def literal(text: str) -> str:
    """Returns text as an SQL string, for sessions without NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def is_mariadb(connection: Connection) -> bool:
    """Tells MariaDB from MySQL."""
    return "mariadb" in _server_of(connection).lower()


def version_of(connection: Connection) -> tuple[int, int, int]:
    """Returns the server's version; MariaDB puts `5.5.5-` before its own."""
    text = _server_of(connection).removeprefix("5.5.5-")
    numbers = [int(part) for part in text.split("-", 1)[0].split(".")[:3] if part.isdigit()]
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return major, minor, patch


def _server_of(connection: Connection) -> str:
    untyped: Any = connection
    return str(untyped.get_server_info())


def send_rows(connection: Connection, statement: str, content: Iterator[bytes]) -> tuple[int, int]:
    """Runs LOAD DATA LOCAL INFILE and sends it rows; returns rows taken, and warnings."""
    private: Any = connection
    private._execute_command(COMMAND.COM_QUERY, statement)  # noqa: SLF001
    first = private._read_packet()  # noqa: SLF001
    if not first.is_load_local_packet():
        raise ProtocolError(
            "The server did not ask for the rows of LOAD DATA LOCAL.",
            remedy="Report it with the version of the server (SELECT version()).",
        )
    for part in content:
        for start in range(0, len(part), _PIECE_BYTES):
            private.write_packet(part[start : start + _PIECE_BYTES])
    private.write_packet(b"")
    done = OKPacketWrapper(private._read_packet())  # noqa: SLF001
    return int(done.affected_rows), int(done.warning_count)


def begin_select(connection: Connection, query: str) -> Any:
    """Sends a query and returns what its columns are; rows are still to be read."""
    private: Any = connection
    private._execute_command(COMMAND.COM_QUERY, query)  # noqa: SLF001
    result: Any = MySQLResult(connection)
    result.init_unbuffered_query()
    result.unbuffered_active = False  # else it would read the rest when it is forgotten
    return result


def _session_sql(connection: Connection) -> str:
    if is_mariadb(connection):
        return _SESSION.replace("transaction_isolation", "tx_isolation")
    return _SESSION
