"""Any SELECT as Arrow batches: described by the server first, then read by binary COPY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa

from penstock.data.types import Kind
from penstock.errors import ConfigError, DataError
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.columns import base_types, read_column
from penstock.sdk.postgres.connection import Connection, bound, copy_out
from penstock.sdk.postgres.copy_out import WireColumn
from penstock.sdk.postgres.failures import translated


def selected(
    address: Address, connection: Connection, query: str, parameters: Sequence[Any] = ()
) -> Iterator[pa.RecordBatch]:
    """Yields the batches of one SELECT, the first perhaps empty; all have one schema.

    A column is text when a value of the first batch does not fit its kind (an infinite date, a
    numeric of many digits); one that comes later raises DataError. Raises ConfigError for SQL
    that is wrong or is no SELECT.
    """
    with translated(address):
        text = bound(connection, query, parameters).strip().rstrip(";")
        columns, asked = _described(connection, text)
        names = ", ".join(f"c{place}" for place in range(len(columns)))
        whole = f"SELECT {', '.join(asked)} FROM (\n{text}\n) AS q({names})"  # noqa: S608 (the user's own)
        schema: pa.Schema | None = None
        for batch in copy_out(connection, whole, columns):
            schema = schema or batch.schema
            yield batch if batch.schema == schema else _in_schema(batch, schema)


def _in_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns a later batch in the schema of the first."""
    arrays = []
    for field, column in zip(schema, batch.columns, strict=True):
        if column.type != field.type and pa.types.is_string(column.type):
            raise DataError(
                f"Column {field.name!r} holds a value that {field.type} cannot: infinity, NaN, or"
                " a number with too many digits.",
                remedy="Cast the column to text in the query.",
            )
        arrays.append(column.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _described(connection: Connection, query: str) -> tuple[list[WireColumn], list[str]]:
    """Returns the columns of a query and the SQL that asks for each of them as c0, c1, …"""
    pgconn = connection.pgconn
    prepared = pgconn.prepare(b"", query.encode())
    _refuse_failed(prepared)
    described = pgconn.describe_prepared(b"")
    _refuse_failed(described)
    if described.nfields == 0:
        raise ConfigError(
            f"The SQL is not one SELECT: {query[:100]}",
            remedy="Ask with one SELECT; use execute for statements that change something.",
        )
    places = range(described.nfields)
    types = [(described.ftype(place), described.fmod(place)) for place in places]
    bases = base_types(connection, [oid for oid, _ in types])
    read = [
        read_column(
            (described.fname(place) or b"").decode(),
            f"c{place}",
            bases[oid],
            modifier,
            wide_as=Kind.DECIMAL,
        )
        for place, (oid, modifier) in zip(places, types, strict=True)
    ]
    return [column for column, _ in read], [expression for _, expression in read]


def _refuse_failed(result: psycopg.pq.abc.PGresult) -> None:
    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
