"""One connection as `SqlWriter` uses it, how batches become rows, and how staging is published.

Every CREATE, ALTER, RENAME and DROP commits what came before it. So an overwrite ends in steps:

1. rows and state are committed, the state as that of staging;
2. the old table is marked as replaced; one RENAME puts it aside and staging in its place, for every
   reader at once; the mark of staging stays on the table that is now published;
3. the stream is stored as complete, in a transaction;
4. the mark is taken off, and the old table dropped.

Whatever step an attempt ended after, `settle_streams` finds what is left to do from marks and
state: before 2 the next attempt continues staging, after 2 the stream is complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pymysql

from penstock.data.arrays import repeated
from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.data.schema_change import Conversion, conversion
from penstock.data.types import Kind
from penstock.destinations.mysql.converting import json_of, text_of, tried
from penstock.destinations.mysql.dialect import (
    ADD_PASSING,
    MERGE_LOCK,
    MySQLDialect,
    definition,
    key_index,
    kind_of_type,
    replaced_mark,
    staging_mark,
    type_of,
)
from penstock.destinations.mysql.storable import Changes, meta_of, storable
from penstock.errors import ResourceBusy
from penstock.sdk.destination import TableName
from penstock.sdk.mysql.address import Address
from penstock.sdk.mysql.connection import close, connect, identifier, literal, rows_of, send_rows
from penstock.sdk.mysql.failures import number_of, translated
from penstock.sdk.mysql.rows_in import FILE, VALUES, Spelling, file_of, joined, spelled
from penstock.sdk.sql.dialect import Load, LoadColumn, TableColumn
from penstock.sdk.sql.row_ids import new_row_ids

_OPENING_LOCK: Final = "penstock: opening"
_LOCK_SECONDS: Final = 300
_KEY_INDEX: Final = "_penstock_key"
_DUPLICATE_COLUMN: Final = 1060
_STATEMENT_BYTES: Final = 4 << 20


class MySQLSession:
    """One connection to one server."""

    def __init__(self, address: Address, dialect: MySQLDialect) -> None:
        self._address = address
        self._dialect = dialect
        self.connection = connect(address)
        self._locks_merge = False
        with translated(address):
            found = rows_of(self.connection, "SELECT @@local_infile, @@max_allowed_packet")
        self._takes_files = bool(found[0][0])
        """MySQL 8 refuses LOAD DATA LOCAL unless local_infile is on; INSERT serves everywhere."""
        self._statement_bytes = min(_STATEMENT_BYTES, int(found[0][1]) // 2)

    def enter(self) -> None:
        """Lets names without a schema mean the default one, where it has been made."""
        schema = self._dialect.default_schema
        query = "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s"
        if self.rows(query, (schema,)):
            self.execute(f"USE {identifier(schema)}")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with translated(self._address):
            self._locks_merge = self._locks_merge or sql.startswith(MERGE_LOCK)
            try:
                self._run(sql, parameters)
            except pymysql.OperationalError as error:
                if number_of(error) != _DUPLICATE_COLUMN or not sql.startswith(ADD_PASSING):
                    raise

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with translated(self._address):
            return self._run(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self._address):
            return rows_of(self.connection, sql, parameters)

    def begin(self) -> None:
        self.execute("START TRANSACTION")

    def commit(self) -> None:
        self.execute("COMMIT")
        self._unlock()

    def rollback(self) -> None:
        if not self.connection.open:
            return
        try:
            self.connection.query("ROLLBACK")
            self._unlock()
        except pymysql.Error:
            close(self.connection)  # The server has gone, and with it the transaction.

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lets one writer at a time look for tables and make what is missing."""
        query = "SELECT GET_LOCK(%s, %s)"
        if self.rows(query, (_OPENING_LOCK, _LOCK_SECONDS)) != [(1,)]:
            raise ResourceBusy(
                f"{self._address}: another writer has been opening tables for five minutes.",
                remedy="Run the sync again when it has ended.",
            )
        yield
        self.execute("DO RELEASE_LOCK(%s)", (_OPENING_LOCK,))

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        rows = self.rows(
            # Both parts name the table, so that MariaDB opens that one and no other.
            "SELECT c.column_name, c.column_type, c.column_comment"
            " FROM information_schema.columns AS c, information_schema.tables AS t"
            " WHERE c.table_schema = %s AND c.table_name = %s AND t.table_schema = %s"
            " AND t.table_name = %s AND t.table_type = 'BASE TABLE' ORDER BY c.ordinal_position",
            (self._schema(table), table.name) * 2,
        )
        if not rows:
            return None
        types = [(name, type_of(_plain(kind), _plain(comment))) for name, kind, comment in rows]
        return tuple(
            TableColumn(name=name, type_name=type_name, kind=kind_of_type(type_name))
            for name, type_name in types
        )

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        found = []
        for name, comment in self._marked(table):
            each = TableName(schema=self._schema(table), name=name)
            if name != table.name and comment == staging_mark(each, table):
                found.append(each)
        return tuple(found)

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        with translated(self._address):
            return sum(self._load(load, batch) for batch in batches)

    def close(self) -> None:
        close(self.connection)

    def create_staging(
        self, staging: TableName, table: TableName, columns: Sequence[TableColumn]
    ) -> None:
        comment = literal(staging_mark(staging, table))
        name = self._dialect.table(staging)
        self.execute(f"CREATE TABLE {name} {definition(columns)} COMMENT = {comment}")

    def index_key(self, table: TableName, key: Sequence[str]) -> None:
        schema = self._schema(table)
        has_one = self.rows(
            "SELECT 1 FROM information_schema.statistics WHERE table_schema = %s"
            " AND table_name = %s AND index_name = %s LIMIT 1",
            (schema, table.name, _KEY_INDEX),
        )
        if has_one:
            return
        columns = [each for each in self.columns(table) or () if each.name in key]
        ordered = sorted(columns, key=lambda each: list(key).index(each.name))
        name = self._dialect.table(table)
        self.execute(f"CREATE INDEX {_KEY_INDEX} ON {name} ({key_index(ordered)})")

    def publish(self, staging: TableName, table: TableName) -> None:
        name, new = self._dialect.table(table), self._dialect.table(staging)
        if self.columns(table) is None:
            self.execute(f"RENAME TABLE {new} TO {name}")
            return
        aside = identifier(self._schema(table), aside_name(table))
        self.execute(f"DROP TABLE IF EXISTS {aside}")
        self.execute(f"ALTER TABLE {name} COMMENT = {literal(replaced_mark(table))}")
        self.execute(f"RENAME TABLE {name} TO {aside}, {new} TO {name}")

    def settle(self, staging: TableName, table: TableName) -> None:
        """Drops what was put aside and takes the mark off; staging has become the table."""
        del staging
        self.repair(table)

    def repair(self, table: TableName) -> None:
        """Puts back or drops a table that was put aside, and takes marks off a published one."""
        name = self._dialect.table(table)
        marked = dict(self._marked(table))
        is_marked = table.name in marked
        if marked.get(aside_name(table)) == replaced_mark(table):
            aside = identifier(self._schema(table), aside_name(table))
            if self.columns(table) is None:
                self.execute(f"RENAME TABLE {aside} TO {name}")
                is_marked = True
            else:
                self.execute(f"DROP TABLE {aside}")
        if is_marked:
            self.execute(f"ALTER TABLE {name} COMMENT = ''")

    def is_published(self, staging: str, table: TableName) -> bool:
        """Tells whether the table is what this staging table was."""
        each = TableName(schema=table.schema, name=staging)
        return dict(self._marked(table)).get(table.name) == staging_mark(each, table)

    def has_marks(self, table: TableName) -> bool:
        """Tells whether a publication of this table was begun and not settled."""
        names = {name for name, _ in self._marked(table)}
        return bool(names & {table.name, aside_name(table)})

    def _marked(self, table: TableName) -> list[tuple[str, str]]:
        rows = self.rows(
            "SELECT table_name, table_comment FROM information_schema.tables"
            " WHERE table_schema = %s AND table_comment LIKE 'penstock: %%' ORDER BY table_name",
            (self._schema(table),),
        )
        return [(name, _plain(comment)) for name, comment in rows]

    def _schema(self, table: TableName) -> str:
        return table.schema or self._dialect.default_schema

    def _run(self, sql: str, parameters: Sequence[Any]) -> int:
        with self.connection.cursor() as cursor:
            return int(cursor.execute(sql, tuple(parameters) or None))

    def _unlock(self) -> None:
        if self._locks_merge:
            self._locks_merge = False
            self.connection.query("DO RELEASE_ALL_LOCKS()")

    def _load(self, load: Load, batch: pa.RecordBatch) -> int:
        spelling = FILE if self._takes_files else VALUES
        columns = self._spelled(load, batch, spelling)
        table = self._dialect.table(load.table, is_temporary=load.is_temporary)
        names = ", ".join(identifier(name) for name in _names(load))
        if self._takes_files:
            taken, warnings = send_rows(
                self.connection,
                f"LOAD DATA LOCAL INFILE 'penstock' INTO TABLE {table} CHARACTER SET utf8mb4"
                f" ({names})",
                iter([file_of(columns)]),
            )
            if warnings:
                self._refuse_warned()
            return taken
        statement = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608 (quoted)
        return sum(
            int(self.connection.query(statement + rows))
            for rows in _pieces(joined(columns, spelling), self._statement_bytes)
        )

    def _refuse_warned(self) -> None:
        """Raises the first warning: with LOCAL, the server makes one of every error of a row."""
        _, number, message = rows_of(self.connection, "SHOW WARNINGS")[0]
        raise pymysql.OperationalError(number, message)

    def _spelled(self, load: Load, batch: pa.RecordBatch, spelling: Spelling) -> list[pa.Array]:
        count, rows = len(load.columns), batch.num_rows
        made: Changes = {}
        columns = [
            self._landed(batch.column(place), column, made, spelling)
            for place, column in enumerate(load.columns)
        ]
        extracted = LoadColumn(
            source=EXTRACTED_AT, kind=Kind.TIMESTAMP_TZ, target=load.extracted_at
        )
        columns.append(self._landed(batch.column(count), extracted, made, spelling))
        meta = meta_of(load.sync_id, batch.column(count + 1), made)
        columns += [
            spelled(meta, Kind.JSON, spelling),
            spelled(pa.array(new_row_ids(rows), pa.string()), Kind.STRING, spelling),
            spelled(repeated(load.generation_id, rows), Kind.INTEGER, spelling),
        ]
        if load.sequence is not None:
            columns.append(spelled(batch.column(count + 2), Kind.INTEGER, spelling))
        return columns

    def _landed(
        self, array: pa.Array, column: LoadColumn, made: Changes, spelling: Spelling
    ) -> pa.Array:
        """Returns the text of each value as its column takes it."""
        kind, target = column.kind, column.target.kind
        array = storable(array, kind, column.source, made)
        how = conversion(kind, target)
        if how is Conversion.NONE:
            return spelled(array, kind, spelling)
        if how is Conversion.CHECKED:
            schema = self._dialect.default_schema
            return spelled(
                tried(self.connection, schema, array, column, made), Kind.STRING, spelling
            )
        if target is Kind.STRING:
            return spelled(text_of(array, kind), Kind.STRING, spelling)
        if target is Kind.JSON:
            return spelled(json_of(array, kind), Kind.STRING, spelling)
        return spelled(array, kind, spelling)


def _plain(value: Any) -> str:
    """Returns a word of the catalogue; MySQL 8 gives some of them as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def aside_name(table: TableName) -> str:
    """Returns the name that a table has between being replaced and being dropped."""
    return f"_penstock_old_{hashlib.sha256(table.name.encode()).hexdigest()[:16]}"


def _names(load: Load) -> list[str]:
    names = [column.target.name for column in load.columns]
    names += [EXTRACTED_AT, META, RAW_ID, GENERATION_ID]
    return names if load.sequence is None else [*names, load.sequence]


def _pieces(rows: list[str], most: int) -> Iterator[str]:
    """Yields rows joined by commas, each piece about `most` bytes at the most."""
    held: list[str] = []
    size = 0
    for row in rows:
        length = len(row.encode())
        if held and size + length > most:
            yield ",".join(held)
            held, size = [], 0
        held.append(row)
        size += length + 1
    if held:
        yield ",".join(held)
