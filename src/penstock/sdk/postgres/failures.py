"""PostgreSQL's errors as penstock's, each with what to do about it, by SQLSTATE.

Source: PostgreSQL 15 documentation, appendix A. A message is the server's primary one: details,
which may hold values of rows, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    ConnectionFailed,
    DataError,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
)
from penstock.sdk.postgres.address import Address

_AGAIN: Final = "Run the sync again: it continues after the last commit."
_FEWER: Final = (
    "Close other connections, raise max_connections (or the role's CONNECTION LIMIT), or lower the"
    " source's `connections`; then run it again."
)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raises psycopg's errors as penstock's."""
    try:
        yield
    except psycopg.Error as error:
        raise as_penstock_error(error, address) from error


def as_penstock_error(error: psycopg.Error, address: Address) -> PenstockError:
    """Returns the penstock error that says what to do about an error of the server or driver."""
    state = error.sqlstate
    if state is None:
        return _without_state(error, address)
    said = error.diag.message_primary or type(error).__name__
    for prefix, kind, remedy in _BY_STATE:
        if state.startswith(prefix):
            return kind(
                f"{address}: {said} ({state}).", remedy=remedy.format(user=address.username)
            )
    return BugError(f"{address}: {said} ({state}).", remedy="Report it with the log of this sync.")


def _without_state(error: psycopg.Error, address: Address) -> PenstockError:
    """Judges what libpq itself says, mostly while connecting; its words name no password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = _FATAL.sub("", lines[0]) if lines else type(error).__name__
    whole = " ".join(lines)
    for pattern, kind, remedy in _BY_WORDS:
        if pattern.search(whole):
            return kind(f"{address}: {said}.", remedy=remedy.format(user=address.username))
    if isinstance(error, psycopg.OperationalError):
        return ConnectionFailed(
            f"{address}: {said}.",
            remedy="Check `host`, `port`, and the network in between, then run it again.",
        )
    return BugError(
        f"{address}: {type(error).__name__}: {said}.",
        remedy="Report it with the log of this sync.",
    )


_FATAL: Final = re.compile(r"^.*?(?:FATAL|ERROR):\s*|^connection failed:\s*")

_BY_WORDS: Final[tuple[tuple[re.Pattern[str], type[PenstockError], str], ...]] = (
    (
        re.compile("password authentication failed|no password supplied|role .* does not exist"),
        AccessDenied,
        "Correct `username` and `password`.",
    ),
    (
        re.compile("no pg_hba.conf entry|pg_hba.conf rejects"),
        AccessDenied,
        "Let this machine in: the server's pg_hba.conf names hosts, users and databases; or"
        " choose another `ssl_mode`, if only encrypted connections are let in.",
    ),
    (
        re.compile("database .* does not exist"),
        ConfigError,
        "Correct `database`, or create it: createdb.",
    ),
    (
        re.compile("permission denied for database"),
        AccessDenied,
        "Grant it: GRANT CONNECT ON DATABASE … TO {user}.",
    ),
    (
        re.compile(
            "does not support SSL|SSL is not enabled|server certificate|certificate verify"
            "|root certificate|SSL error"
        ),
        ConfigError,
        "Correct `ssl_mode` and its certificates, or set up TLS on the server.",
    ),
    (
        re.compile("could not translate host name|Name or service not known|No address associated"),
        ConfigError,
        "Correct `host`: this machine knows no such name.",
    ),
    (
        re.compile("too many clients|remaining connection slots|too many connections"),
        ResourceBusy,
        _FEWER,
    ),
    (
        re.compile("server closed the connection|connection is lost|consuming input failed"),
        ConnectionFailed,
        _AGAIN,
    ),
    (
        re.compile("the database system is (starting|shutting|in recovery)"),
        ConnectionFailed,
        "Run it again when the server is up.",
    ),
)

_BY_STATE: Final[tuple[tuple[str, type[PenstockError], str], ...]] = (
    ("28", AccessDenied, "Correct `username` and `password`."),
    ("3D", ConfigError, "Correct `database`, or create it: createdb."),
    ("42501", AccessDenied, "Grant {user} what the message names (GRANT … TO {user})."),
    ("0A000", ConfigError, "Give the name of a table that this server can write."),
    (
        "2BP01",
        ConfigError,
        "Drop what depends on the table (a view, a foreign key), or set"
        " `drop_cascade` to drop it along.",
    ),
    ("42P07", ConfigError, "Rename or drop the object in the way, or choose another schema."),
    ("42809", ConfigError, "Rename or drop the object in the way: it is not a table."),
    ("42P16", ConfigError, "Rename or drop the object in the way: it is not a table."),
    ("42P01", ConfigError, "Correct the name, or sync the stream first."),
    ("3F000", ConfigError, "Correct the schema's name, or create it."),
    ("53100", ResourceExhausted, "Free space on the server's disk; " + _AGAIN),
    ("53200", ResourceExhausted, "Give the server more memory; " + _AGAIN),
    ("53300", ResourceBusy, _FEWER),
    ("53", ResourceExhausted, "Free what the message names; " + _AGAIN),
    ("54", ConfigError, "Leave columns out, or split the stream: it is a limit of PostgreSQL."),
    ("55P03", ResourceBusy, "Somebody holds a lock on the table; " + _AGAIN),
    ("55006", ResourceBusy, "Somebody uses the object; " + _AGAIN),
    ("55000", ConfigError, "Bring the object into the state that the message names."),
    ("40", ResourceBusy, "Another connection changed the same thing at the same time; " + _AGAIN),
    ("25006", AccessDenied, "Give the address of the primary server: this one is read-only."),
    ("57014", ConnectionFailed, "The statement was cancelled or took too long. " + _AGAIN),
    ("57P", ConnectionFailed, _AGAIN),
    ("08", ConnectionFailed, _AGAIN),
    ("58", ResourceExhausted, "Look into the server's log: its disk or files fail. " + _AGAIN),
    ("XX", ConnectionFailed, "Look into the server's log. " + _AGAIN),
    ("23", ConfigError, "Drop the constraint from the table, or write to another table."),
    ("44", ConfigError, "Drop the constraint from the table, or write to another table."),
    ("P0", ConfigError, "A trigger of the table refused the rows: drop it, or write elsewhere."),
    ("22", DataError, "Report it with the stream and the type of its columns."),
    ("42", ConfigError, "Correct the SQL or the name in it."),
    ("26", ConfigError, "Connect without a pooler that shares connections between transactions."),
)
