"""How an SQLite file commits: with a write-ahead log, so that readers and a writer never wait."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_PAUSE_SECONDS: Final = 0.01


def use_wal(connection: sqlite3.Connection, *, busy_seconds: float) -> None:
    """Gives the file a write-ahead log, for good; does nothing to one that has it.

    Others may open the file at the same time. SQLite's own patience (`PRAGMA busy_timeout`) does
    not reach here: two that change the journal at once would wait for each other, so one of them
    is refused at once. Raises sqlite3.OperationalError when the file stays locked for
    `busy_seconds`.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
