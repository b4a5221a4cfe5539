"""What every SQL destination does beside writing: keep states, count, read back, run SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from penstock.errors import ConfigError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State
from penstock.sdk.destination import StoredState, TableName
from penstock.sdk.sql.dialect import SqlDialect, SqlSession
from penstock.sdk.sql.state import StateTable

if TYPE_CHECKING:
    import pyarrow as pa


Session = TypeVar("Session", bound=SqlSession)


class SqlDestination(ABC, Generic[Session]):
    """The powers StoresState, ReadsBack, RunsSql and IsTriedApart, from a dialect and sessions.

    A destination inherits them and says how to connect.
    """

    placeholder: ClassVar[str]
    _dialect: SqlDialect

    @property
    @abstractmethod
    def _where(self) -> object:
        """What messages call the database."""

    @abstractmethod
    def _session(self) -> AbstractContextManager[Session]:
        """Opens a connection; at the end it is closed, and undone what was not committed."""

    @abstractmethod
    def _selected(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Yields the batches of one SELECT, at least one, all of one schema.

        Raises ConfigError for SQL that is wrong or changes something.
        """

    def _scanned(self, table: TableName, sql: str) -> Iterator[pa.RecordBatch]:
        """Yields the batches of `SELECT *` from a table that is there."""
        del table
        return self._selected(sql, ())

    def _has_storage(self) -> bool:
        """Tells whether there is anything to look into: a file may not have been made yet."""
        return True

    def _make_storage(self) -> None:
        """Makes what a session needs to be opened, such as a file's folder."""
        return

    def _alone(self, session: Session) -> AbstractContextManager[Any]:
        """Keeps others from making tables meanwhile, where two at once would collide."""
        del session
        return nullcontext()

    @classmethod
    def apart(cls, config: Any, name: str) -> Any:
        """Returns the configuration with a default schema of this name."""
        return replace(config, schema=name)

    def discard(self) -> None:
        """Drops the default schema with all that is in it."""
        with self._session() as session:
            schema = self._dialect.quote(self._dialect.default_schema)
            session.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints committed for one connection; makes nothing."""
        if not self._has_storage():
            return ()
        with self._session() as session:
            states = StateTable(session, self._dialect)
            return states.stored(connection) if states.exists() else ()

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a global state durable; raises ResourceBusy when a newer attempt has stored one."""
        self._make_storage()
        with self._session() as session, self._alone(session):
            states = StateTable(session, self._dialect)
            session.begin()
            states.create()
            states.save_shared(connection, state, fence)
            session.commit()

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        if not self._has_storage():
            return
        with self._session() as session, self._alone(session):
            states = StateTable(session, self._dialect)
            if states.exists():
                session.begin()
                states.forget(connection, streams)
                session.commit()

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table as they are stored; the connection ends with the reader.

        Raises ConfigError when there is no such table.
        """
        if not self.has_table(table):
            raise ConfigError(
                f"There is no table {table} in {self._where}.",
                remedy="Sync the stream first, or correct the name.",
                table=table,
            )
        tail = "" if limit is None else f" LIMIT {int(limit)}"
        sql = f"SELECT * FROM {self._dialect.table(table)}{tail}"  # noqa: S608 (quoted)
        return _reader(self._scanned(table, sql))

    def count(self, table: TableName) -> int:
        """Returns the rows of a table; 0 when there is no such table."""
        if not self._has_storage():
            return 0
        with self._session() as session:
            if session.columns(table) is None:
                return 0
            query = f"SELECT count(*) FROM {self._dialect.table(table)}"  # noqa: S608 (quoted)
            return int(session.rows(query)[0][0])

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of one SELECT; the connection ends with the reader.

        Raises ConfigError for SQL that is wrong.
        """
        self._make_storage()
        return _reader(self._selected(sql, parameters))

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements in one transaction; durable on return."""
        self._make_storage()
        with self._session() as session:
            session.begin()
            for sql, parameters in statements:
                session.execute(sql, parameters)
            session.commit()

    def table_sql(self, table: TableName) -> str:
        """Returns a table's name as SQL: quoted, in its schema."""
        return self._dialect.table(table)

    def column_sql(self, name: str) -> str:
        """Returns a column's name as SQL: quoted."""
        return self._dialect.quote(name)

    def has_table(self, table: TableName) -> bool:
        """Tells whether there is such a table; makes nothing."""
        if not self._has_storage():
            return False
        with self._session() as session:
            return session.columns(table) is not None


def _reader(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
    import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

    first = next(batches)
    rest = chain([first], batches) if first.num_rows else batches
    return pa.RecordBatchReader.from_batches(first.schema, rest)
