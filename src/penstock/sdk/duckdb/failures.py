"""DuckDB's errors as penstock's, each with what to do about it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

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
from penstock.sdk.duckdb.place import Place


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Raises DuckDB's errors as penstock's, each with what to do about it."""
    try:
        yield
    except duckdb.Error as error:
        raise as_penstock_error(error, place) from error
    except OSError as error:
        raise _of_system(error, place) from error


def as_penstock_error(error: duckdb.Error, place: Place) -> PenstockError:
    """Returns the penstock error that says what to do about an error of DuckDB's."""
    message = place.masked(str(error).strip())
    for pattern, build in _BY_MESSAGE:
        found = pattern.search(message)
        if found:
            return build(found, place, message)
    first = message.split("\n", 1)[0]
    for driver_class, penstock_class, remedy in _BY_CLASS:
        if isinstance(error, driver_class):
            return penstock_class(f"{place}: {first}", remedy=remedy, path=place.database)
    return BugError(
        f"{place}: {type(error).__name__}: {first}",
        remedy="Report it with the log of this sync.",
        path=place.database,
    )


def _of_system(error: OSError, place: Place) -> PenstockError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _denied(place)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _full(place, os.strerror(error.errno))
    return ConfigError(
        f"{place} cannot be used: {error.strerror or error}.",
        remedy="Give the path of a file in a folder that exists or can be made.",
        path=place.database,
    )


def _denied(place: Place) -> PenstockError:
    return AccessDenied(
        f"{place} may not be opened by this user.",
        remedy="Give this user permission on the file and its folder (a destination writes both),"
        " or choose another.",
        path=place.database,
    )


def _full(place: Place, reason: str) -> PenstockError:
    return ResourceExhausted(
        f"{place} cannot grow: {reason}.",
        remedy="Free space on its disk and run the sync again: it continues there.",
        path=place.database,
    )


def _busy(found: re.Match[str], place: Place, _message: str) -> PenstockError:
    return ResourceBusy(
        f"{place} is open in another process, {found['program']} (PID {found['pid']}).",
        remedy=f"Close it there (PID {found['pid']}) and run the sync again.",
        path=place.database,
        pid=found["pid"],
    )


def _not_a_database(_found: re.Match[str], place: Place, _message: str) -> PenstockError:
    if place.is_empty():
        return ConfigError(
            f"{place} is empty: no database, but in the place of one.",
            remedy="Remove the file, unless something is about to fill it, and try again.",
            path=place.database,
        )
    return ConfigError(
        f"{place} exists but is not a DuckDB database, or is damaged.",
        remedy="Choose another path; penstock never writes into a file of another kind.",
        path=place.database,
    )


def _newer_version(_found: re.Match[str], place: Place, message: str) -> PenstockError:
    return ConfigError(
        f"{place} was written by a version of DuckDB that {duckdb.__version__}"
        f" cannot read: {message.splitlines()[0]}",
        remedy="Upgrade the package: pip install --upgrade duckdb.",
        path=place.database,
    )


def _memory(_found: re.Match[str], place: Place, message: str) -> PenstockError:
    return ResourceExhausted(
        f"{place}: {message.splitlines()[0]}",
        remedy="Raise the setting memory_limit_mb, or lower threads.",
        path=place.database,
    )


def _held(_found: re.Match[str], place: Place, message: str) -> PenstockError:
    return ConfigError(
        f"{place}: {message.splitlines()[0]}",
        remedy="Drop what depends on the table (an index, a foreign key), or write to another"
        " table.",
        path=place.database,
    )


def _no_extension(_found: re.Match[str], place: Place, message: str) -> PenstockError:
    return ConnectionFailed(
        f"{place}: {message.splitlines()[0]}",
        remedy="DuckDB fetches the extension from extensions.duckdb.org: let this machine reach it"
        " once, or install it there by hand.",
        path=place.database,
    )


def _refused_token(_found: re.Match[str], place: Place, message: str) -> PenstockError:
    return AccessDenied(
        f"{place}: {message.splitlines()[0]}",
        remedy="Correct `motherduck_api_key`: MotherDuck's settings page makes tokens.",
        path=place.database,
    )


_BY_MESSAGE: Final = (
    (
        re.compile("Failed to download extension|Failed to (install|load) .*extension"),
        _no_extension,
    ),
    (re.compile("not authenticated|MotherDuck token|motherduck_token"), _refused_token),
    (re.compile("depends on it|entries that depend on it"), _held),
    (
        re.compile(
            r"Could not set lock on file .*?[Cc]onflicting lock is held in"
            r" (?P<program>.*?) \(PID (?P<pid>\d+)\)"
        ),
        _busy,
    ),
    (
        re.compile("No space left on device|File too large|Disk quota exceeded"),
        lambda found, place, _message: _full(place, found[0]),
    ),
    (re.compile("[Oo]ut of [Mm]emory|max_temp_directory_size"), _memory),
    (
        re.compile(
            "Permission denied|Read-only file system|Operation not permitted|read-only mode"
        ),
        lambda _found, place, _message: _denied(place),
    ),
    (re.compile("version number|newer version of DuckDB|storage version"), _newer_version),
    (
        re.compile("not a valid DuckDB database file|Corrupt database file"),
        _not_a_database,
    ),
)

_REPORT: Final = "Report it with the log of this sync."
_BY_CLASS: Final[tuple[tuple[type[duckdb.Error], type[PenstockError], str], ...]] = (
    (
        duckdb.FatalException,
        ConnectionFailed,
        "Run the sync again: it continues after the last commit.",
    ),
    (
        duckdb.TransactionException,
        ResourceBusy,
        "Another connection changed the same thing at the same time; run the sync again.",
    ),
    (
        duckdb.DependencyException,
        ConfigError,
        "Drop what depends on the table (an index, a foreign key), or write to another table.",
    ),
    (
        duckdb.ConstraintException,
        ConfigError,
        "Drop the constraint from the table, or write to another table.",
    ),
    (duckdb.ParserException, ConfigError, "Correct the SQL."),
    (duckdb.BinderException, ConfigError, "Correct the SQL: it names what is not there."),
    (
        duckdb.CatalogException,
        ConfigError,
        "Rename or drop the object in the way, or choose another schema or table prefix.",
    ),
    (duckdb.ResourceInUseException, ResourceBusy, "Run the sync again."),
    (duckdb.PermissionException, AccessDenied, "Give this user the permission named."),
    (duckdb.IOException, ConnectionFailed, "Check the disk and the path, then run the sync again."),
    (duckdb.HTTPException, ConnectionFailed, "Check the network, then run the sync again."),
    (
        duckdb.ConnectionException,
        ConfigError,
        "Close the connection this process holds to the file with other settings.",
    ),
    (duckdb.InterruptException, ConnectionFailed, "Run the sync again."),
    (duckdb.ConversionException, DataError, _REPORT),
    (duckdb.DataError, DataError, _REPORT),
)
