"""One connection to a DuckDB database; the only place that opens and closes them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

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

    `config` holds from the first moment on; `settings` are statements run after that. Raises
    AccessDenied, ConfigError, ResourceBusy and kin.
    """
    with translated(place), _INSTANCES:
        connection = duckdb.connect(
            place.database,
            read_only=is_read_only,
            config={**place.settings, **(config or {})},
        )
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
