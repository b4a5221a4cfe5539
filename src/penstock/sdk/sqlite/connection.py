"""SQLite files: how they are opened, and every error of the driver as one of penstock's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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

_AGAIN: Final = "Run the sync again: it continues after the last commit."


def connect(path: Path, *, busy_seconds: float, is_read_only: bool = False) -> sqlite3.Connection:
    """Returns a connection that begins no transaction by itself and may change threads."""
    mode = "ro" if is_read_only else "rwc"
    with translated(path):
        return sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raises SQLite's errors as penstock's."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_penstock_error(error, path) from error
    except OverflowError as error:
        raise DataError(
            f"SQLite file {path}: a number is beyond 64 bits.",
            remedy="Report it with the stream and the type of its columns.",
        ) from error


def as_penstock_error(error: sqlite3.Error, path: Path) -> PenstockError:
    """Returns the penstock error that says what to do, by the primary result code."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return BugError(
            f"SQLite file {path}: {type(error).__name__}: {error}.",
            remedy="Report it with the log of this sync.",
        )
    found = _BY_CODE.get(code & 0xFF)
    if found is None:
        return BugError(
            f"SQLite file {path}: {error} ({code}).", remedy="Report it with the log of this sync."
        )
    kind, remedy = found
    return kind(f"SQLite file {path}: {error}.", remedy=remedy, path=str(path))


_BY_CODE: Final[dict[int, tuple[type[PenstockError], str]]] = {
    sqlite3.SQLITE_ERROR: (ConfigError, "Correct the SQL, or rename the object in the way."),
    sqlite3.SQLITE_PERM: (AccessDenied, "Give this user the right to read and write the file."),
    sqlite3.SQLITE_ABORT: (ResourceBusy, _AGAIN),
    sqlite3.SQLITE_BUSY: (
        ResourceBusy,
        "Another program writes to the file and does not end: end it there, then run this again.",
    ),
    sqlite3.SQLITE_LOCKED: (ResourceBusy, _AGAIN),
    sqlite3.SQLITE_NOMEM: (ResourceExhausted, "Give this machine more memory. " + _AGAIN),
    sqlite3.SQLITE_READONLY: (
        AccessDenied,
        "Give this user the right to write the file and its folder, or choose another.",
    ),
    sqlite3.SQLITE_INTERRUPT: (ConnectionFailed, _AGAIN),
    sqlite3.SQLITE_IOERR: (ConnectionFailed, "Check the disk, then run the sync again."),
    sqlite3.SQLITE_CORRUPT: (
        ConfigError,
        "The file is damaged: restore it from a backup, or choose another path.",
    ),
    sqlite3.SQLITE_FULL: (ResourceExhausted, "Free space on its disk. " + _AGAIN),
    sqlite3.SQLITE_CANTOPEN: (
        ConfigError,
        "Correct the path: the file, or its folder, is not there or may not be used.",
    ),
    sqlite3.SQLITE_SCHEMA: (ResourceBusy, _AGAIN),
    sqlite3.SQLITE_TOOBIG: (
        DataError,
        "A value is larger than SQLite takes (a thousand million bytes): leave the column out.",
    ),
    sqlite3.SQLITE_CONSTRAINT: (
        ConfigError,
        "Drop the constraint from the table, or write to another table.",
    ),
    sqlite3.SQLITE_MISMATCH: (DataError, "Report it with the stream and the type of its columns."),
    sqlite3.SQLITE_AUTH: (AccessDenied, "Ask for rows of the tables of this database only."),
    sqlite3.SQLITE_RANGE: (ConfigError, "Give as many parameters as the SQL has places for."),
    sqlite3.SQLITE_NOTADB: (
        ConfigError,
        "It is no SQLite database: choose another path; penstock never writes into other files.",
    ),
}
"""Source: https://sqlite.org/rescode.html."""
