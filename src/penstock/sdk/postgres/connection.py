"""One connection with the settings that make values exact, and COPY in both directions."""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql as psycopg_sql

from penstock.errors import ProtocolError
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.copy_out import WireColumn, empty_batch, rows_to_batch, without_frame
from penstock.sdk.postgres.failures import translated
from penstock.sdk.postgres.wire import SIGNATURE, TRAILER
from penstock.sdk.tunnel import (
    LOOPBACK,
    KeyTunnel,
    NoTunnel,
    PasswordTunnel,
    open_tunnel,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.sdk.ssh import OpenTunnel

Connection = psycopg.Connection[tuple[Any, ...]]

_BATCH_BYTES: Final = 4 << 20
_BATCH_ROWS: Final = 32_768

_SESSION: Final = """\
SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET client_min_messages = 'warning';
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on; SET default_transaction_isolation = 'read committed';
 SET row_security = off;
SELECT set_config('synchronous_commit', 'on', false)
 WHERE current_setting('synchronous_commit') = 'off'"""
"""Values do not depend on the server's settings; a commit that returned is on the disk; a policy
that would hide rows is an error instead of rows left out in silence."""


def connect(address: Address, *, lock_seconds: int = 300) -> Connection:
    """Returns a connection outside any transaction; raises AccessDenied, ConfigError and kin."""
    connection = dialled(address)
    with translated(address):
        try:
            connection.prepare_threshold = None
            connection.execute(_SESSION)
            connection.execute(f"SET lock_timeout = '{int(lock_seconds)}s'")
        except psycopg.Error:
            connection.close()
            raise
    return connection


def dialled(address: Address, **options: str) -> Connection:
    """Returns a connection with the server's own settings; `options` are more of libpq's."""
    with translated(address), address.parameters() as parameters:
        given: dict[str, Any] = {**parameters, **options}
        if isinstance(address.tunnel, NoTunnel):
            return psycopg.connect(autocommit=True, cursor_factory=psycopg.ClientCursor, **given)
        return _dialled_through(address.tunnel, address, given)


def _dialled_through(
    settings: KeyTunnel | PasswordTunnel, address: Address, given: dict[str, Any]
) -> Connection:
    """Returns a connection that goes through an SSH tunnel of its own, and ends it when closed."""
    tunnel = open_tunnel(settings, address.host, address.port)
    # The host stays, since certificates name it; only the way there is another.
    given |= {"hostaddr": LOOPBACK, "port": tunnel.port}
    try:
        connection = _Tunnelled.connect(
            autocommit=True, cursor_factory=psycopg.ClientCursor, **given
        )
    except psycopg.OperationalError as error:
        try:
            if error.sqlstate is None:
                tunnel.explain()
        finally:
            tunnel.close()
        raise
    connection.tunnel = tunnel
    return connection


class _Tunnelled(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose end is the end of its tunnel, too."""

    tunnel: OpenTunnel | None = None

    def close(self) -> None:
        super().close()
        if self.tunnel is not None:
            self.tunnel.close()


@contextmanager
def connected(address: Address) -> Iterator[Connection]:
    """Opens a connection and closes it at the end; errors are translated."""
    connection = connect(address)
    try:
        with translated(address):
            yield connection
    finally:
        connection.close()


def rows_of(
    connection: Connection, query: str, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Returns the rows of a query."""
    return connection.execute(query, parameters or None).fetchall()


def bound(connection: Connection, query: str, parameters: Sequence[Any]) -> str:
    """Returns a query with its parameters as literals, for statements that take none."""
    if not parameters:
        return query
    return psycopg.ClientCursor(connection).mogrify(query, parameters)


def identifier(*names: str) -> str:
    """Returns a qualified name as SQL."""
    return psycopg_sql.Identifier(*names).as_string(None)


def copy_in(connection: Connection, target: str, blocks: Iterator[pa.Buffer]) -> int:
    """Sends encoded rows into `target` (a table and its columns); returns the rows counted."""
    statement = f"COPY {target} FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(SIGNATURE)
            for block in blocks:
                copy.write(memoryview(block))
            copy.write(TRAILER)
        return cursor.rowcount


def copy_out(
    connection: Connection, query: str, columns: Sequence[WireColumn]
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query whose columns are sent as `columns` says.

    Closing the iterator early cancels the query. The first batch is empty when there is no row.
    """
    statement = f"COPY ({query}) TO STDOUT (FORMAT binary)"
    pgconn = connection.pgconn
    with connection.cursor() as cursor, cursor.copy(statement):
        arrived = select.poll()
        arrived.register(pgconn.socket, select.POLLIN)
        rows: list[bytes] = []
        size, is_first, seen = 0, True, False
        while True:
            length, message = pgconn.get_copy_data(1)
            if length == 0:
                # libpq would wait with the interpreter locked: nobody else could work, not even
                # an SSH tunnel of this process that the rows come through.
                arrived.poll()
                pgconn.consume_input()
                continue
            if length < 0:
                break
            row = bytes(message)
            if is_first or length == len(TRAILER):
                row = without_frame(row, is_first=is_first)
                is_first = False
                if not row:
                    continue
            rows.append(row)
            size += length
            if size >= _BATCH_BYTES or len(rows) >= _BATCH_ROWS:
                yield rows_to_batch(rows, columns)
                rows, size, seen = [], 0, True
        _confirm(connection)
        if rows or not seen:
            yield rows_to_batch(rows, columns) if rows else empty_batch(columns)


def _confirm(connection: Connection) -> None:
    """Takes the server's last word on a COPY: that all rows were sent, or its error."""
    pgconn = connection.pgconn
    while (result := pgconn.get_result()) is not None:
        if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.COPY_OUT):
            if result.error_field(psycopg.pq.DiagnosticField.SQLSTATE):
                raise psycopg.errors.error_from_result(result, encoding="utf-8")
            raise ProtocolError(
                f"COPY ended in {result.status}.", remedy="Report it with the server's version."
            )
