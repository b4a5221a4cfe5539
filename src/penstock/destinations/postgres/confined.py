"""A SELECT of somebody not trusted: read-only, stopped in time, and never as a superuser."""

from __future__ import annotations

import time
from typing import Any, Final

import pyarrow as pa

from penstock.errors import ConfigError, ConnectionFailed, ResourceExhausted
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import Connection, connected, identifier, rows_of
from penstock.sdk.postgres.query import selected

_POWERS: Final = """\
SELECT 'a superuser' WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
UNION ALL SELECT 'a member of ' || rolname FROM pg_roles WHERE rolname IN
 ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
 AND pg_has_role(current_user, oid, 'MEMBER')"""
"""What reaches beyond rows: files and programs of the server, also from within a SELECT."""


def query_confined(
    address: Address, default_schema: str, sql: str, *, seconds: float, rows: int
) -> pa.Table:
    """Returns at most `rows` rows; see `penstock.sdk.destination.ConfinesSql`."""
    with connected(address) as connection:
        _refuse_powerful(connection, address)
        connection.execute("BEGIN READ ONLY")
        for statement in (
            f"SET LOCAL statement_timeout = {int(seconds * 1000)}",
            f"SET LOCAL search_path TO {identifier(default_schema)}, public",
            "SET LOCAL row_security = on",  # the policies of this role are the operator's will
        ):
            connection.execute(statement)
        started = time.monotonic()
        try:
            return _first(selected(address, connection, sql), rows)
        except ConnectionFailed as error:
            if time.monotonic() - started < seconds:
                raise
            raise ResourceExhausted(
                f"The SQL ran longer than {seconds:g} seconds and was stopped.",
                remedy="Ask for less: filter, aggregate, or leave out a join.",
            ) from error


def _refuse_powerful(connection: Connection, address: Address) -> None:
    powers = [power for (power,) in rows_of(connection, _POWERS)]
    if powers:
        raise ConfigError(
            f"{address}: the user {address.username} is {' and '.join(powers)}: a SELECT of such a"
            " user reaches the server's files and programs.",
            remedy="Give a user that may only read the rows you want to be read:"
            " CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader.",
        )


def _first(batches: Any, rows: int) -> pa.Table:
    """Returns the first rows; closing the iterator cancels the rest of the query."""
    kept: list[pa.RecordBatch] = []
    left = rows
    for batch in batches:
        kept.append(batch.slice(0, left))
        left -= batch.num_rows
        if left <= 0:
            break
    batches.close()
    return pa.Table.from_batches(kept)
