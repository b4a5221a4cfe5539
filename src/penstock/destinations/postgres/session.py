"""One connection as `SqlWriter` uses it, and how batches become rows: binary COPY."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import repeated
from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.data.types import Kind
from penstock.destinations.postgres.dialect import (
    INCOMING,
    TRY_CAST,
    PostgresDialect,
    incoming_table,
    insert_converted,
    kind_of_type,
    quoted,
    staging_mark,
)
from penstock.destinations.postgres.storable import storable
from penstock.sdk.destination import TableName
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import Connection, connect, copy_in, rows_of
from penstock.sdk.postgres.copy_in import encoded_rows
from penstock.sdk.postgres.failures import translated
from penstock.sdk.postgres.wire import uuid_texts
from penstock.sdk.sql.dialect import Load, TableColumn

_OPENING_LOCK: Final = 0x70656E73746F636B & 0x7FFFFFFFFFFFFFFF
"""Advisory lock of "penstock": tables and schemas are made by one writer at a time."""


class PostgresSession:
    """One connection to one database."""

    def __init__(self, address: Address, dialect: PostgresDialect) -> None:
        self._address = address
        self._dialect = dialect
        self._connection: Connection = connect(address)
        self._can_try_cast = False

    @property
    def connection(self) -> Connection:
        return self._connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with translated(self._address):
            self._connection.execute(sql, parameters or None)

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with translated(self._address):
            done = self._connection.execute(sql, parameters or None)
            return done.rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self._address):
            return rows_of(self._connection, sql, parameters)

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.closed:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.OperationalError:
            return  # The server has gone, and with it the transaction.

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lets one writer at a time look for tables and make what is missing."""
        self.execute(f"SELECT pg_advisory_lock({_OPENING_LOCK})")
        yield
        self.execute(f"SELECT pg_advisory_unlock({_OPENING_LOCK})")

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        found = self.rows(
            "SELECT c.oid FROM pg_catalog.pg_class AS c"
            " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')",
            (table.schema or self._dialect.default_schema, table.name),
        )
        if not found:
            return None
        rows = self.rows(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            found[0],
        )
        return tuple(
            TableColumn(name=name, type_name=type_name, kind=kind_of_type(type_name))
            for name, type_name in rows
        )

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        schema = table.schema or self._dialect.default_schema
        rows = self.rows(
            "SELECT c.relname FROM pg_catalog.pg_class AS c"
            " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
            " JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0"
            " AND d.classoid = 'pg_catalog.pg_class'::regclass"
            " WHERE n.nspname = %s AND c.relkind = 'r' AND d.description = %s ORDER BY c.relname",
            (schema, staging_mark(table)),
        )
        return tuple(TableName(schema=schema, name=name) for (name,) in rows)

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        target = self._dialect.table(load.table, is_temporary=load.is_temporary)
        if _is_direct(load):
            return self._copy(load, f"{target} ({_names(load)})", batches, is_composed=True)
        if not self._can_try_cast:
            self.execute(TRY_CAST)
            self._can_try_cast = True
        self.execute(incoming_table(load))
        self._copy(load, INCOMING, batches, is_composed=False)
        inserted = self.change(insert_converted(load, target))
        self.execute(f"TRUNCATE {INCOMING}")
        return inserted

    def close(self) -> None:
        self._connection.close()

    def _copy(
        self, load: Load, target: str, batches: Sequence[pa.RecordBatch], *, is_composed: bool
    ) -> int:
        with translated(self._address):
            return copy_in(
                self._connection, target, _blocks(load, batches, is_composed=is_composed)
            )


def _is_direct(load: Load) -> bool:
    """Tells whether every column is of the type that its values are sent as."""
    dialect = PostgresDialect("")
    return load.extracted_at.kind is Kind.TIMESTAMP_TZ and all(
        column.target.type_name == dialect.type_name(column.kind)
        or (column.kind is Kind.STRING and column.target.type_name == "character varying")
        for column in load.columns
    )


def _names(load: Load) -> str:
    names = [column.target.name for column in load.columns]
    names += [EXTRACTED_AT, META, RAW_ID, GENERATION_ID]
    names += [load.sequence] if load.sequence is not None else []
    return ", ".join(map(quoted, names))


def _blocks(
    load: Load, batches: Sequence[pa.RecordBatch], *, is_composed: bool
) -> Iterator[pa.Buffer]:
    """Yields the rows of all batches as they are sent.

    Composed: columns, instant of extraction, meta, identifier, generation. Else with the changes
    as they came in place of meta and generation, which the INSERT then makes.
    """
    count = len(load.columns)
    fields = [column.source for column in load.columns]
    kinds = [column.kind for column in load.columns]
    tail = [Kind.TIMESTAMP_TZ, Kind.JSON if is_composed else Kind.STRING, Kind.STRING]
    tail += [Kind.INTEGER] * (int(is_composed) + int(load.sequence is not None))
    for batch in batches:
        rows = batch.num_rows
        stored, changes = storable(batch.columns[:count], kinds, fields, batch.column(count + 1))
        meta = _meta(load.sync_id, changes) if is_composed else changes
        arrays = [*stored, batch.column(count), meta, _identifiers(rows)]
        if is_composed:
            arrays.append(repeated(load.generation_id, rows))
        if load.sequence is not None:
            arrays.append(batch.column(count + 2))
        named = pa.RecordBatch.from_arrays(arrays, names=[f"c{n}" for n in range(len(arrays))])
        yield from encoded_rows(named, [*kinds, *tail])


def _meta(sync_id: int, changes: pa.Array) -> pa.Array:
    if changes.null_count == len(changes):
        return pa.repeat(f'{{"sync_id":{sync_id},"changes":[]}}', len(changes))
    listed = changes.fill_null("[]")
    return pc.binary_join_element_wise(f'{{"sync_id":{sync_id},"changes":', listed, "}", "")


def _identifiers(count: int) -> pa.Array:
    """Returns UUIDs of version 7 (RFC 9562 §5.7): milliseconds, and 74 random bits each."""
    raw = np.frombuffer(os.urandom(16 * count), np.uint8).reshape(count, 16).copy()
    moment = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    raw[:, :6] = np.frombuffer(moment, np.uint8)
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x70
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    return uuid_texts(raw)
