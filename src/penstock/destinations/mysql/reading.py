"""Rows of tables and SELECTs as Arrow batches of one schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from penstock.data.types import Kind
from penstock.destinations.mysql.session import MySQLSession
from penstock.errors import ConfigError, DataError
from penstock.sdk.destination import TableName
from penstock.sdk.mysql.address import Address
from penstock.sdk.mysql.connection import begin_select, rows_of
from penstock.sdk.mysql.failures import translated
from penstock.sdk.mysql.rows_out import Form, OutColumn, described, rows_begun


def selected(
    session: MySQLSession, address: Address, sql: str, parameters: Sequence[Any]
) -> Iterator[pa.RecordBatch]:
    """Yields the batches of one SELECT; ConfigError for SQL that is wrong or changes something."""
    with translated(address):
        text = sql.strip().rstrip(";")
        if parameters:
            with session.connection.cursor() as cursor:
                text = cursor.mogrify(text, tuple(parameters))
        # A statement that changes something fails here, before it has any effect.
        rows_of(session.connection, "START TRANSACTION READ ONLY")
        result = begin_select(session.connection, text)
        if not result.field_count:
            raise ConfigError(
                f"The SQL is not one SELECT: {sql.strip()[:100]}",
                remedy="Ask with one SELECT; use execute for statements that change something.",
            )
        columns = described(result)
        yield from _alike(rows_begun(session.connection, columns))


def scanned(
    session: MySQLSession, address: Address, table: TableName, sql: str
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a table, in the kinds of columns that penstock made."""
    found = session.columns(table) or ()
    kinds = {column.name: column.kind for column in found}
    with translated(address):
        result = begin_select(session.connection, sql)
        columns = [_as_made(each, kinds.get(each.name)) for each in described(result)]
        yield from _alike(rows_begun(session.connection, columns))


def _as_made(column: OutColumn, kind: Kind | None) -> OutColumn:
    if kind is None:
        return column
    form = Form.FLAG if kind is Kind.BOOLEAN else Form.TEXT
    return OutColumn(name=column.name, kind=kind, form=form)


def _alike(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields batches in the schema of the first, in which a column may be text."""
    schema: pa.Schema | None = None
    for batch in batches:
        schema = schema or batch.schema
        if batch.schema == schema:
            yield batch
            continue
        arrays = []
        for field, column in zip(schema, batch.columns, strict=True):
            if pa.types.is_string(column.type) and not pa.types.is_string(field.type):
                raise DataError(
                    f"Column {field.name!r} holds a value that {field.type} cannot: a zero date,"
                    " a time of more than a day, or a number with too many digits.",
                    remedy="Cast the column to text in the query: CAST(… AS CHAR).",
                )
            arrays.append(column.cast(field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
