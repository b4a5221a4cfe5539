"""One connection to a DuckDB database; the only place that opens and closes them."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import duckdb

from penstock.sdk.duckdb.failures import translated
from penstock.sdk.duckdb.place import Place

_INSTANCES: Final = threading.Lock()
"""Guards DuckDB's own process-wide table of open files: a connect that meets the close of the
last other connection to its file fails with "Unique file handle conflict"."""


def connect(
    place: Place,
    settings: Sequence[str] = (),
    *,
    is_read_only: bool = False,
    config: Mapping[str, str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Returns a connection; those of one process to one file share DuckDB's instance of it.

    A database that is not there is made, unless `is_read_only`; whatever kills the process then,
    there is no file or a whole one. `config` holds from the first moment on; `settings` are
    statements run after that. Raises AccessDenied, ConfigError, ResourceBusy and kin.
    """
    with translated(place), _INSTANCES:
        known: dict[str, Any] = {**place.settings, **(config or {})}
        if not is_read_only and not place.exists():
            _make(place, known)
        connection = duckdb.connect(place.database, read_only=is_read_only, config=known)
    with translated(place):
        try:
            for setting in settings:
                connection.execute(setting)
        except duckdb.Error:
            close(connection, place)
            raise
    return connection


def close(connection: duckdb.DuckDBPyConnection, place: Place) -> None:
    """Closes a connection."""
    with translated(place), _INSTANCES:
        connection.close()


def _make(place: Place, config: dict[str, Any]) -> None:
    """Makes the file of a database beside its place, and puts it there when it is whole.

    Killed while it makes one, DuckDB 2.0 leaves a file that it refuses to open; here that one has
    a hidden name which nothing reads. Another process may have been sooner: then its file stays.
    Where files have no second name, DuckDB makes it, and says what else is wrong.
    """
    made = place.path.with_name(f".{place.path.name}.{secrets.token_hex(4)}.new")
    try:
        duckdb.connect(str(made), config=config).close()
        with suppress(OSError):
            os.link(made, place.path)
    finally:
        made.unlink(missing_ok=True)
