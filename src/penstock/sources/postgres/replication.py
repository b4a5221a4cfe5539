"""A connection in replication mode: snapshots of slots, and the log as it is sent.

Source: PostgreSQL 15 documentation, 55.4 "Streaming Replication Protocol".
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from psycopg import pq

from penstock.errors import ConnectionFailed
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import Connection, dialled, identifier
from penstock.sdk.postgres.failures import translated
from penstock.sources.postgres.pgoutput import EPOCH_MICROS

_SETTINGS: Final = (
    "-c TimeZone=UTC -c DateStyle=ISO,YMD -c IntervalStyle=iso_8601 -c extra_float_digits=1"
    " -c bytea_output=hex -c lc_monetary=C -c statement_timeout=0 -c wal_sender_timeout=0"
)
"""Values do not depend on the server's settings; a destination may take its time to commit."""

_ASK_SECONDS: Final = 0.25
_SILENCE_SECONDS: Final = 120.0
"""The server is asked where it is four times a second, and answers at once unless it decodes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of the output plugin."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Reached:
    """Everything that was committed before this place in the log has been sent."""

    lsn: int


@contextmanager
def replicating(address: Address) -> Iterator[Connection]:
    """Opens a connection in replication mode, and closes it."""
    named = replace(address, application="penstock replication")
    connection = dialled(named, replication="database", options=_SETTINGS)
    try:
        with translated(address):
            yield connection
    finally:
        connection.close()


def system_of(connection: Connection) -> str:
    """Returns the identity of the server's data, which a copy of it alone shares."""
    row = connection.execute("IDENTIFY_SYSTEM").fetchone()
    return str(row[0]) if row else ""


def snapshot(connection: Connection, name: str) -> tuple[int, str]:
    """Makes a temporary slot; returns its place in the log, and the snapshot of that moment.

    The snapshot can be used until the connection's next command. Waits for transactions that are
    running.
    """
    cursor = connection.execute(
        f"CREATE_REPLICATION_SLOT {identifier(name)} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT"
    )
    row = cursor.fetchone()
    if row is None:
        raise ConnectionFailed("The server made a slot and did not say where.", remedy="Try again.")
    return lsn_of(row[1]), str(row[2])


def messages(
    connection: Connection, slot: str, publication: str, *, start: int
) -> Iterator[Sent | Reached]:
    """Yields the log from `start`, and does not end.

    The server is told that everything before `start` is safe, and may be let go; nothing more.
    """
    pgconn = connection.pgconn
    name = publication.replace('"', '""').replace("'", "''")
    command = (
        f"START_REPLICATION SLOT {identifier(slot)} LOGICAL {text_of_lsn(start)}"
        f" (proto_version '1', publication_names '\"{name}\"')"
    )
    result = pgconn.exec_(command.encode())
    if result.status != pq.ExecStatus.COPY_BOTH:
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    _tell(pgconn, start)
    asked = heard = time.monotonic()
    while True:
        size, data = pgconn.get_copy_data(1)
        if size > 0:
            heard = time.monotonic()
            kind = bytes(data[:1])
            if kind == b"w":
                yield Sent(bytes(data[25:]))
                if heard - asked < _ASK_SECONDS:
                    continue
            elif kind == b"k":
                (reached,) = struct.unpack_from(">Q", data, 1)
                yield Reached(reached)
        elif size == 0:
            ready, _, _ = select.select([pgconn.socket], [], [], _ASK_SECONDS)
            if ready:
                pgconn.consume_input()
        else:
            _refuse_ended(pgconn)
        now = time.monotonic()
        if now - heard > _SILENCE_SECONDS:
            raise ConnectionFailed(
                f"The server sent nothing of its log for {_SILENCE_SECONDS:.0f} seconds.",
                remedy="Look into its log, then run the sync again.",
            )
        if now - asked >= _ASK_SECONDS:
            asked = now
            _tell(pgconn, start)


def _tell(pgconn: pq.abc.PGconn, safe: int) -> None:
    """Says what is safe, and asks where the server is."""
    micros = int(time.time() * 1_000_000) - EPOCH_MICROS
    pgconn.put_copy_data(b"r" + struct.pack(">QQQqB", safe, safe, safe, micros, 1))
    while pgconn.flush():
        select.select([], [pgconn.socket], [], _ASK_SECONDS)


def _refuse_ended(pgconn: pq.abc.PGconn) -> None:
    result = pgconn.get_result()
    if result is not None and result.error_field(pq.DiagnosticField.SQLSTATE):
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    raise ConnectionFailed(
        "The server ended the replication.",
        remedy="Run the sync again: it continues after the last commit.",
    )


def lsn_of(text: str) -> int:
    """Returns a place in the log as a number: 16/B374D848 is its high and low half."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def text_of_lsn(lsn: int) -> str:
    """Returns a place in the log as the server writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
