"""One connection to Snowflake: Parquet by PUT and COPY, every error translated at the border."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import snowflake.connector
from snowflake.connector import errors

from penstock.data.types import Kind
from penstock.destinations.snowflake.dialect import (
    INCOMING,
    SnowflakeDialect,
    incoming_table,
    insert_incoming,
    kind_of_type,
    quoted,
    staging_mark,
)
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError, ProofFailed
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, TableColumn

_STAGE: Final = "PENSTOCK_STAGE"
_REFUSED: Final = frozenset({3001, 3003, 250001, 390100, 390101, 390144, 390189, 390201})
"""Wrong user, password, key or role; a privilege that is lacking."""
_SENT_AS_IS: Final = frozenset({Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER})


class SnowflakeSession:
    """One connection; its temporary stage and tables end with it."""

    def __init__(self, settings: dict[str, Any], dialect: SnowflakeDialect) -> None:
        self._dialect = dialect
        self._incoming: Load | None = None
        with translated():
            self._connection = snowflake.connector.connect(
                **settings, autocommit=False, application="penstock", paramstyle="pyformat"
            )

    def prepare(self) -> None:
        """Makes the default schema and the stage that files are put into."""
        schema = self._dialect.default_schema
        self.execute(self._dialect.create_schema(schema))
        self.execute(f"USE SCHEMA {quoted(schema)}")
        self.execute(f"CREATE OR REPLACE TEMPORARY STAGE {_STAGE}")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self.rows(sql, parameters)

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int(self.rows(sql, parameters)[0][0])

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(), self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(parameters) or None)
            return [tuple(row) for row in cursor.fetchall()]

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.is_closed():
            return
        try:
            self._connection.rollback()
        except errors.ProgrammingError:
            return  # No transaction is open: nothing to end.
        except (errors.OperationalError, errors.DatabaseError):
            return  # The session has gone, and with it the transaction.

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        rows = self.rows(
            "SELECT column_name, data_type, numeric_precision, numeric_scale"
            " FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
            " ORDER BY ordinal_position",
            (table.schema or self._dialect.default_schema, table.name),
        )
        if not rows:
            return None
        found = []
        for name, data_type, precision, scale in rows:
            type_name = f"NUMBER({precision},{scale})" if data_type == "NUMBER" else data_type
            kind = kind_of_type(type_name)
            found.append(TableColumn(name=name, type_name=type_name, kind=kind))
        return tuple(found)

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        schema = table.schema or self._dialect.default_schema
        rows = self.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
            " AND comment = %s AND table_name <> %s ORDER BY table_name",
            (schema, staging_mark(table), table.name),
        )
        return tuple(TableName(schema=schema, name=name) for (name,) in rows)

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        # The table is made once: the first load of a writer opens its transaction, so that this
        # DDL commits nothing; DELETE then empties the table inside each transaction.
        if self._incoming is None:
            self.execute(incoming_table(load))
            self._incoming = load
        name = f"{uuid.uuid4().hex}.parquet"
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            path = Path(folder) / name
            pq.write_table(_sent(load, batches), path)
            self.execute(f"PUT 'file://{path}' @{_STAGE} AUTO_COMPRESS=FALSE")
        count = len(_sent_names(load))
        values = ", ".join(f"$1:c{place}" for place in range(count))
        self.execute(
            f"COPY INTO {INCOMING} FROM (SELECT {values} FROM @{_STAGE}/{name})"  # noqa: S608
            " FILE_FORMAT = (TYPE = PARQUET)"
        )
        inserted = self.change(insert_incoming(load))
        emptied = self.change(f"DELETE FROM {INCOMING}")  # noqa: S608 (a constant)
        if emptied != inserted:
            raise ProofFailed(
                f"Snowflake copied {emptied} rows and inserted {inserted} of them.",
                remedy="Run the sync again; nothing of this transaction is committed.",
            )
        return inserted

    def arrow(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Returns the rows of a query, columns in the types Snowflake names."""
        with translated(), self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(parameters) or None)
            fields = [pa.field(c.name, _arrow_type(c)) for c in cursor.description]
            rows = cursor.fetchall()
        columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def close(self) -> None:
        with translated():
            self._connection.close()


def _sent_names(load: Load) -> list[str]:
    count = len(load.columns) + 2 + (load.sequence is not None)
    return [f"c{place}" for place in range(count)]


def _sent(load: Load, batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Returns the rows as the file holds them: all but numbers and booleans as exact text."""
    table = pa.Table.from_batches(batches)
    kinds = [column.kind for column in load.columns] + [Kind.TIMESTAMP_TZ, Kind.STRING]
    kinds += [Kind.INTEGER] if load.sequence is not None else []
    columns = [
        column if kind in _SENT_AS_IS else _texts(column, kind)
        for column, kind in zip(table.columns, kinds, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=_sent_names(load))


def _texts(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    if kind is Kind.JSON and isinstance(column.type, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return pa.chunked_array(chunks, pa.string())
    return column.cast(pa.string())


def _arrow_type(column: Any) -> pa.DataType:  # noqa: PLR0911 (a table)
    """Type codes: docs.snowflake.com, Python connector API, `Cursor.description`."""
    match column.type_code:
        case 0 if column.scale:
            return pa.decimal128(column.precision, column.scale)
        case 0:
            return pa.int64() if (column.precision or 38) < 38 else pa.decimal128(38, 0)
        case 1:
            return pa.float64()
        case 3:
            return pa.date32()
        case 4 | 8:
            return pa.timestamp("us")
        case 6 | 7:
            return pa.timestamp("us", tz="UTC")
        case 11:
            return pa.binary()
        case 12:
            return pa.time64("us")
        case 13:
            return pa.bool_()
        case _:
            return pa.string()


@contextmanager
def translated() -> Iterator[None]:
    """Raises the connector's errors as penstock's, each with what to do about it."""
    try:
        yield
    except errors.Error as error:
        raise as_penstock_error(error) from error


def as_penstock_error(error: errors.Error) -> PenstockError:
    """Returns the penstock error that says what to do about one of the connector's."""
    first = str(error.msg or error).strip().split("\n", 1)[0]
    message = f"Snowflake: {first}"
    if error.errno in _REFUSED or isinstance(error, errors.ForbiddenError):
        return AccessDenied(
            message, remedy="Correct the account, user, credentials or role, or grant what it says."
        )
    if isinstance(error, errors.ProgrammingError | errors.NotSupportedError | errors.DataError):
        return ConfigError(
            message, remedy="Correct the SQL or the setting it names: database, warehouse, schema."
        )
    return ConnectionFailed(
        message, remedy="Run the sync again: it continues after the last commit."
    )
