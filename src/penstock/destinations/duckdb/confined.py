"""A SELECT of somebody not trusted: the file is read-only, and there is nothing else to reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa

from penstock.destinations.duckdb.session import DuckDBSession
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, ResourceExhausted
from penstock.sdk.duckdb.place import Place

_CONFIG: Final = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    "max_temp_directory_size": "1GB",
    "threads": "2",
}
"""https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview"""
_SETTINGS: Final = ("SET TimeZone = 'UTC'", "SET lock_configuration = true")
_BATCH_ROWS: Final = 1_000


def query_confined(
    place: Place, default_schema: str, sql: str, *, seconds: float, rows: int
) -> pa.Table:
    """Returns at most `rows` rows; see `penstock.sdk.destination.ConfinesSql`."""
    if place.is_cloud:
        raise ConfigError(
            f"{place} cannot be asked like this: what keeps SQL from other files and addresses"
            " would keep it from MotherDuck.",
            remedy="Sync into a DuckDB file, and ask that.",
        )
    if not place.exists():
        raise ConfigError(f"There is no {place} yet.", remedy="Sync into it first.")
    session = DuckDBSession(place, default_schema, _SETTINGS, is_read_only=True, config=_CONFIG)
    try:
        with _stopped_after(session, seconds):
            return _first(session.stream(sql, _BATCH_ROWS), rows)
    except AccessDenied as error:
        raise AccessDenied(
            "The SQL asks for a file, an address or an extension, which it may not.",
            remedy="Ask for rows of the tables of this database only.",
        ) from error
    finally:
        session.close()


@contextmanager
def _stopped_after(session: DuckDBSession, seconds: float) -> Iterator[None]:
    is_late = threading.Event()

    def stop() -> None:
        is_late.set()
        session.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield
    except ConnectionFailed as error:
        if not is_late.is_set():
            raise
        raise ResourceExhausted(
            f"The SQL ran longer than {seconds:g} seconds and was stopped.",
            remedy="Ask for less: filter, aggregate, or leave out a join.",
        ) from error
    finally:
        timer.cancel()
        timer.join()


def _first(batches: Any, rows: int) -> pa.Table:
    """Returns the first rows of an iterator whose first batch is the empty schema."""
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        left = rows - sum(each.num_rows for each in kept)
        kept.append(batch.slice(0, left))
        if batch.num_rows >= left:
            break
    batches.close()
    return pa.Table.from_batches(kept)
