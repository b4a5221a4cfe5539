"""One door to the control plane's database, SQLite or PostgreSQL: transactions and their errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
)

from penstock.control.store.table_versions import TableVersions
from penstock.errors import (
    ConfigError,
    ConnectionFailed,
    MissingDriver,
    ResourceBusy,
    ResourceExhausted,
    UnknownName,
)
from penstock.sdk.sqlite.journal import use_wal

Transaction: TypeAlias = Connection
"""What the queries take: an open transaction, ended by whoever opened it."""

BUSY_SECONDS: Final = 30
_WRITES: Final = "penstock_writes"
_POOL_SIZE: Final = 10


class Store:
    """The control plane's tables. Safe to use from any number of threads.

    On SQLite writers take turns: `write` begins with the write lock, so that a transaction is
    never refused in its middle, and never sees what it read change.
    """

    def __init__(self, url: URL | str) -> None:
        """Connects to nothing yet; raises ConfigError for a URL that names no such database."""
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._turn = threading.RLock()
        self.engine: Engine = _engine(self.url)
        self._versions = TableVersions(self.engine)

    @classmethod
    def of_file(cls, path: Path) -> Store:
        """Returns the store in one SQLite file; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(URL.create("sqlite", database=str(path)))

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    def version_of(self, tables: frozenset[str]) -> int:
        """Returns a larger number after each `write` of this process to one of the tables.

        Name those whose rows take others with them, too (`with_parents`). Says nothing of what
        other processes write.
        """
        return self._versions.of(tables)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Yields a transaction that only reads: one moment's view on SQLite."""
        with self.translated(), self.engine.begin() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Yields a transaction that is durable when the block has ended; an error undoes it.

        Keep it short: nothing else writes meanwhile on SQLite. Never open one within another.
        """
        with self._versions.counting() as written, self._written() as tx:
            self._versions.watch(tx, written)
            yield tx

    @contextmanager
    def _written(self) -> Iterator[Transaction]:
        if not self.is_sqlite:
            with self.translated(), self.engine.begin() as tx:
                yield tx
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise ResourceBusy(
                f"The database {self.shown} is busy writing.",
                remedy="Try again; if it lasts, look for a long migration or a full disk.",
            )
        try:
            with self.translated(), self.engine.connect() as connection:
                tx = connection.execution_options(**{_WRITES: True})
                with tx.begin():
                    yield tx
        finally:
            self._turn.release()

    def close(self) -> None:
        """Closes every connection; the store may be used again."""
        self.engine.dispose()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raises what the driver raises within the block as errors that say what to do."""
        try:
            yield
        except OverflowError as error:
            if "SQLite" not in str(error):
                raise
            raise _too_large() from error
        except DataError as error:
            raise _too_large() from error
        except IntegrityError as error:
            if "foreign key" not in str(error.orig).lower():
                raise
            raise UnknownName(
                "Something that is named here does not exist, or not any more.",
                remedy="List what there is, and name one of those.",
            ) from error
        except OperationalError as error:
            raise _translation(error, self.shown) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _translation(error, self.shown) from error
            raise


def _parsed(url: URL | str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "The database URL cannot be read.",
            remedy="Write sqlite:///path/to/file.db or postgresql://user@host/database.",
        ) from error
    name = parsed.get_backend_name()
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if name == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite")
    raise ConfigError(
        f"The control plane cannot live in {parsed.drivername!r}"
        + (" without a file." if name == "sqlite" else "."),
        remedy="Write sqlite:///path/to/file.db or postgresql://user@host/database.",
    )


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, pool_size=_POOL_SIZE, max_overflow=20)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, pool_size=_POOL_SIZE, max_overflow=20, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise MissingDriver(
            "PostgreSQL as the control plane's database needs the package psycopg.",
            remedy="pip install 'penstock[postgres]'",
        ) from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Takes transactions into our own hands, and sets what SQLite leaves to each connection."""
    connection.isolation_level = None
    use_wal(connection, busy_seconds=BUSY_SECONDS)
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begins with the write lock where the transaction is going to write.

    A transaction that reads first and writes later is refused by SQLite when another wrote
    between the two, however long the busy timeout (https://sqlite.org/isolation.html).
    """
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _too_large() -> ConfigError:
    """What nobody keeps: a number beyond 64 bits, a text or date beyond what a column takes."""
    return ConfigError(
        "A value is larger than the database can hold.",
        remedy="Look at the numbers that were given: ids have 63 bits.",
    )


def _translation(error: DBAPIError, shown: str) -> Exception:
    words = (
        str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason given"
    )
    lowered = words.lower()
    if "database or disk is full" in lowered or "no space left" in lowered:
        return ResourceExhausted(
            f"The database {shown} cannot grow: {words}.", remedy="Free some disk space."
        )
    if "locked" in lowered or "deadlock" in lowered:
        return ResourceBusy(
            f"The database {shown} is locked: {words}.", remedy="Try again in a moment."
        )
    if "readonly" in lowered or "unable to open" in lowered:
        return ConfigError(
            f"The database {shown} cannot be opened for writing: {words}.",
            remedy="Correct the path, or the permissions of the file and its folder.",
        )
    return ConnectionFailed(
        f"The database {shown} cannot be used: {words}.",
        remedy="Start it, or correct --database-url (PENSTOCK_DATABASE_URL).",
    )
