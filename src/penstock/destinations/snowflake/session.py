"""One connection to Snowflake: Parquet by PUT and COPY, rows back in batches."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import snowflake.connector
from snowflake.connector import errors

from penstock.data.types import Kind
from penstock.destinations.snowflake.dialect import (
    INCOMING,
    STAGE,
    SnowflakeDialect,
    incoming_table,
    insert_incoming,
    is_sent_as_text,
    kind_of_type,
    literal,
    quoted,
    staging_mark,
)
from penstock.destinations.snowflake.failures import Translate
from penstock.destinations.snowflake.results import arrow_type, batch_of
from penstock.errors import ProofFailed
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, TableColumn
from penstock.sdk.sql.row_ids import new_row_ids

_READ_ROWS: Final = 10_000
_GIVE_UP_SECONDS: Final = 300
"""After which a request that fails again and again fails; the driver's own limit is never."""
_PARQUET: Final = "TYPE = PARQUET NULL_IF = () USE_VECTORIZED_SCANNER = FALSE"
"""NULL_IF: else the text `\\N` would be read as NULL, Snowflake's default."""
_SESSION: Final[Mapping[str, Any]] = {
    "TIMEZONE": "UTC",
    "QUERY_TAG": "penstock",
    "CLIENT_TELEMETRY_ENABLED": False,
}


class SnowflakeSession:
    """One connection; its temporary stage and tables end with it."""

    def __init__(
        self, settings: Mapping[str, Any], dialect: SnowflakeDialect, translate: Translate
    ) -> None:
        self._dialect = dialect
        self._translate = translate
        self._has_incoming = False
        with translate():
            self._connection = snowflake.connector.connect(
                **settings,
                autocommit=False,
                network_timeout=_GIVE_UP_SECONDS,
                application="penstock",
                paramstyle="pyformat",
                session_parameters=dict(_SESSION),
                platform_detection_timeout_seconds=0,  # asks nobody where it runs
            )

    def use_schema(self, *, makes: bool = False) -> None:
        """Lets names without a schema mean the default one, if it is there or is made."""
        schema = self._dialect.default_schema
        if not self.has_schema(schema):
            if not makes:
                return
            self.execute(self._dialect.create_schema(schema))
        self.execute(f"USE SCHEMA {quoted(schema)}")

    def has_schema(self, schema: str) -> bool:
        return bool(
            self.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (schema,))
        )

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self.rows(sql, parameters)

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int(self.rows(sql, parameters)[0][0])

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._translate(), self._connection.cursor() as cursor:
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
        except (errors.OperationalError, errors.DatabaseError, errors.InterfaceError):
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

    def create_staging(
        self, staging: TableName, table: TableName, columns: Sequence[TableColumn]
    ) -> None:
        """Makes staging, marked from the first moment, and a table to publish its rows into."""
        self.execute(self._dialect.create_staging(staging, table, columns))
        if self.columns(table) is None:
            self.execute(self._dialect.create_table(table, columns))

    def publish(self, staging: TableName, table: TableName) -> None:
        """Replaces the table's rows; where columns have changed, the table. Staging stays."""
        columns = self.columns(staging) or ()
        if self.columns(table) != columns:
            for statement in self._dialect.swap(staging, table):
                self.execute(statement)
            return
        self.begin()
        self.execute(self._dialect.replace_rows(staging, table, columns))
        self.commit()

    def settle(self, staging: TableName, table: TableName) -> None:
        """Drops what was staging of the table."""
        del staging
        for leftover in self.staging_tables(table):
            self.execute(f"DROP TABLE {self._dialect.table(leftover)}")

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        incoming = self._dialect.table(INCOMING, is_temporary=True)
        stage = self._dialect.table(STAGE)  # with its schema: found whatever is in use
        if not self._has_incoming:
            # Once: the first load of a writer opens its transaction, so that this DDL commits
            # nothing; DELETE then empties the table inside each transaction.
            self.execute(incoming_table(load, incoming))
            self.execute(f"CREATE OR REPLACE TEMPORARY STAGE {stage}")
            self._has_incoming = True
        name = f"{uuid.uuid4().hex}.parquet"
        sent = _sent(load, batches)
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            path = Path(folder) / name
            pq.write_table(sent, path, compression="zstd")
            self.execute(f"PUT {literal(f'file://{path}')} @{stage} AUTO_COMPRESS=FALSE")
        values = ", ".join(f"$1:{column}" for column in sent.column_names)
        self.execute(
            f"COPY INTO {incoming} FROM (SELECT {values} FROM @{stage}/{name})"  # noqa: S608 (quoted)
            f" FILE_FORMAT = ({_PARQUET}) PURGE = TRUE"
        )
        target = self._dialect.table(load.table, is_temporary=load.is_temporary)
        inserted = self.change(insert_incoming(load, target, incoming))
        emptied = self.change(f"DELETE FROM {incoming}")  # noqa: S608 (quoted)
        if emptied != inserted:
            raise ProofFailed(
                f"Snowflake copied {emptied} rows and inserted {inserted} of them.",
                remedy="Run the sync again; nothing of this transaction is committed.",
            )
        return inserted

    def refuse_other_than_select(self, sql: str, parameters: Sequence[Any]) -> None:
        """Raises ConfigError for what Snowflake does not take as a subquery; runs nothing."""
        with self._translate(), self._connection.cursor() as cursor:
            cursor.describe(
                f"SELECT * FROM (\n{sql.rstrip().rstrip(';')}\n) AS picked",  # noqa: S608 (the user's own)
                tuple(parameters) or None,
            )

    def batches(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query as they come; one batch without rows where there is none."""
        with self._connection.cursor() as cursor:
            with self._translate():
                cursor.execute(sql, tuple(parameters) or None)
            schema = pa.schema([pa.field(c.name, arrow_type(c)) for c in cursor.description])
            is_first = True
            while True:
                with self._translate():
                    rows = cursor.fetchmany(_READ_ROWS)
                if rows or is_first:
                    yield batch_of(rows, schema)
                if not rows:
                    return
                is_first = False

    def close(self) -> None:
        with self._translate():
            self._connection.close()


def _sent(load: Load, batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Returns the rows as the file holds them: exact texts, but for what is sent as it is."""
    table = pa.Table.from_batches(batches)
    count = len(load.columns)
    columns = [
        _texts(values, column.kind) if is_sent_as_text(column) else values
        for column, values in zip(load.columns, table.columns[:count], strict=True)
    ]
    columns += [_texts(table.column(count), Kind.TIMESTAMP_TZ), table.column(count + 1)]
    columns.append(pa.chunked_array([pa.array(new_row_ids(table.num_rows), pa.string())]))
    columns += table.columns[count + 2 :]
    return pa.Table.from_arrays(columns, names=[f"c{place}" for place in range(len(columns))])


def _texts(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    if kind is Kind.JSON and isinstance(column.type, pa.BaseExtensionType):
        return pa.chunked_array([chunk.storage for chunk in column.chunks], pa.string())
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        return _within_years(column.cast(pa.string()), column)
    if kind is Kind.TIMESTAMP_TZ:
        # With an offset in figures: the formats that Snowflake lists have no Z.
        wall = column.cast(pa.timestamp("us"))
        return _within_years(
            pc.binary_join_element_wise(wall.cast(pa.string()), "+00:00", ""), wall
        )
    return column.cast(pa.string())


def _within_years(texts: pa.ChunkedArray, times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Makes no date of what is outside the years 1 to 9999: the INSERT records it, and NULL.

    Snowflake's client gives Python's own dates back, which end there.
    """
    first = pa.scalar(datetime(1, 1, 1)).cast(pa.timestamp("us")).cast(times.type)  # noqa: DTZ001
    last = pa.scalar(datetime.max).cast(pa.timestamp("us")).cast(times.type, safe=False)  # noqa: DTZ901
    is_within = pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))
    if pc.all(is_within).as_py() is not False:
        return texts
    return pc.if_else(is_within, texts, pc.binary_join_element_wise("no date:", texts, " "))
