"""One connection to a DuckDB file, with every error of the driver translated at the border."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa

from penstock.data.arrays import Ascending
from penstock.destinations.duckdb.dialect import (
    ROW,
    insert,
    kind_of_type,
    staging_mark,
)
from penstock.destinations.duckdb.place import Place
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
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, TableColumn
from penstock.sdk.sql.row_ids import first_row_id

_SMALL_BATCHES: Final = 64
"""More batches than this in one INSERT are copied together first: each costs a scan of its own."""

_STORAGE_VERSION: Final = re.compile(r"v(\d+)\.(\d+)")
_ZSTD_SINCE: Final = (1, 2)
"""Storage version; an older file refuses such a table (duckdb.org/docs, "Storage Versions")."""

_INSTANCES: Final = threading.Lock()
"""Guards DuckDB's own process-wide table of open files: a connect that meets the close of the
last other connection to its file fails with "Unique file handle conflict"."""


class DuckDBSession:
    """One connection; connections of one process to one file share DuckDB's instance of it."""

    def __init__(
        self,
        place: Place,
        default_schema: str,
        settings: Sequence[str] = (),
        *,
        is_read_only: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """`config` holds from the first moment on; `settings` are statements run after that."""
        self._place = place
        self._default_schema = default_schema
        self._ascending = Ascending(pa.int64())
        with translated(place), _INSTANCES:
            self._connection = duckdb.connect(
                place.database,
                read_only=is_read_only,
                config={**place.settings, **(config or {})},
            )
        with translated(place):
            try:
                for setting in settings:
                    self._connection.execute(setting)
            except duckdb.Error:
                self.close()
                raise

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with translated(self._place):
            self._connection.execute(sql, list(parameters))

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int(self.rows(sql, parameters)[0][0])

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self._place):
            return list(self._connection.execute(sql, list(parameters)).fetchall())

    def begin(self) -> None:
        self.execute("BEGIN TRANSACTION")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # No transaction is active: nothing to end.
        except duckdb.FatalException:
            return  # DuckDB has given the instance up; the file keeps what was committed.

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        rows = self.rows(
            "SELECT column_name, data_type FROM duckdb_columns()"
            " WHERE database_name = current_database() AND lower(schema_name) = lower(?)"
            " AND lower(table_name) = lower(?) ORDER BY column_index",
            (table.schema or self._default_schema, table.name),
        )
        if not rows:
            return None
        return tuple(
            TableColumn(name=name, type_name=type_name, kind=kind_of_type(type_name))
            for name, type_name in rows
        )

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        schema = table.schema or self._default_schema
        rows = self.rows(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
            " AND lower(schema_name) = lower(?) AND comment = ? ORDER BY table_name",
            (schema, staging_mark(table)),
        )
        return tuple(TableName(schema=schema, name=name) for (name,) in rows)

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        # DuckDB finds this variable by its name. `register` would do the same with a view, but
        # a transaction keeps every dropped view, and with it the rows, until it ends.
        _penstock_incoming = pa.Table.from_batches(batches)
        if len(batches) > _SMALL_BATCHES:
            _penstock_incoming = _penstock_incoming.combine_chunks()
        changes = _penstock_incoming.column(len(load.columns) + 1)
        rows = self._ascending.first(len(changes))
        _penstock_incoming = _penstock_incoming.append_column(ROW, rows)
        sql = insert(
            load,
            first_id=first_row_id(),
            has_changes=changes.null_count < len(changes),
        )
        with translated(self._place):
            return int(self._connection.execute(sql).fetchall()[0][0])

    def stream(
        self, sql: str, batch_rows: int, parameters: Sequence[Any] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Yields the schema's first (an empty batch), then the batches of a query."""
        with (
            translated(self._place),
            self._selected(sql, parameters).to_arrow_reader(batch_rows) as reader,
        ):
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader

    def _selected(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyRelation:
        statements = self._connection.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise ConfigError(
                f"The SQL is not one SELECT: {sql.strip()[:100]}",
                remedy="Ask with one SELECT, which changes nothing.",
            )
        return self._connection.sql(sql, params=list(parameters) or None)

    def has_zstd(self) -> bool:
        """Tells whether tables of the file may use zstd; no for MotherDuck, which keeps its own."""
        rows = self.rows(
            "SELECT tags['storage_version'] FROM duckdb_databases()"
            " WHERE database_name = current_database()"
        )
        found = _STORAGE_VERSION.match(str(rows[0][0])) if rows else None
        return found is not None and (int(found[1]), int(found[2])) >= _ZSTD_SINCE

    def interrupt(self) -> None:
        """Stops the statement that runs; called from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        with translated(self._place), _INSTANCES:
            self._connection.close()


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
        f"{place} may not be read and written by this user.",
        remedy="Give this user write permission on the file and its folder, or choose another.",
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
