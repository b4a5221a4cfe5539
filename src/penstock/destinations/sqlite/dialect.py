"""SQLite's own SQL: types that keep values exact, staging marks, conversions and the merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from penstock.data.names import RAW_ID
from penstock.data.types import Kind
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Merge, TableColumn
from penstock.sdk.sqlite.types import TYPES, kind_of_type, quoted

_NUMBERS_AS_TEXT: Final = frozenset({Kind.BIG_INTEGER, Kind.DECIMAL})

MAIN: Final = "main"
CONVERT: Final = "_penstock_convert"
SURVIVES: Final = "_penstock_survives"
NUMERIC_ORDER: Final = "_penstock_number"
"""Functions and a collation that `SQLiteSession` gives its connections; no table keeps them."""


@dataclass(frozen=True, slots=True)
class SQLiteDialect:
    """SQLite as `SqlWriter` knows it. A file has no schemas: a namespace begins a table's name."""

    name: ClassVar[str] = "SQLite"
    max_identifier_bytes: ClassVar[int] = 255
    """SQLite has no limit; this keeps names usable elsewhere."""
    placeholder: ClassVar[str] = "?"

    @property
    def default_schema(self) -> str:
        return MAIN

    def quote(self, name: str) -> str:
        return quoted(name)

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        if is_temporary:
            return f"temp.{quoted(table.name)}"
        return f"{MAIN}.{quoted(file_name(table))}"

    def type_name(self, kind: Kind) -> str:
        return TYPES[kind]

    def kind_of(self, type_name: str) -> Kind | None:
        return kind_of_type(type_name)

    def create_schema(self, schema: str) -> str:  # noqa: ARG002 (there are none)
        return "SELECT 1"

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str:
        parts = ", ".join(f"{quoted(column.name)} {column.type_name}" for column in columns)
        return f"CREATE TABLE {self.table(table, is_temporary=is_temporary)} ({parts})"

    def add_column(self, table: TableName, name: str, kind: Kind) -> str:
        return f"ALTER TABLE {self.table(table)} ADD COLUMN {quoted(name)} {TYPES[kind]}"

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        """Makes a column anew behind the others: SQLite cannot change a column's type."""
        target = self.table(table)
        passing = quoted(f"_penstock_widened_{name}")
        return (
            f"DROP INDEX IF EXISTS {_key_index(table)}",
            f"ALTER TABLE {target} ADD COLUMN {passing} {TYPES[new]}",
            f"UPDATE {target} SET {passing} = {CONVERT}({quoted(name)}, '{old}', '{new}')",  # noqa: S608
            f"ALTER TABLE {target} DROP COLUMN {quoted(name)}",
            f"ALTER TABLE {target} RENAME COLUMN {passing} TO {quoted(name)}",
        )

    def survives(self, name: str, old: Kind, new: Kind) -> str:
        return f"{SURVIVES}({quoted(name)}, '{old}', '{new}')"

    def merge(self, merge: Merge) -> Sequence[str]:
        """Deletes what the batch replaces, and inserts its winners; see `penstock.sdk.sql.merge`.

        An index on the key, made once, finds the rows of a large table; `IS` compares NULL too.
        """
        target, batch = self.table(merge.table), self.table(merge.batch, is_temporary=True)
        key = ", ".join(quoted(name) for name in merge.key)
        same = " AND ".join(f"t.{quoted(name)} IS b.{quoted(name)}" for name in merge.key)
        columns = ", ".join(quoted(name) for name in merge.columns)
        sequence = quoted(merge.sequence)
        row = _row_id(merge.columns)
        alive = f" AND b.{quoted(merge.deleted_at)} IS NULL" if merge.deleted_at else ""
        file = file_name(merge.table)
        return (
            f"CREATE INDEX IF NOT EXISTS {_key_index(merge.table)} ON {quoted(file)} ({key})",
            f"DELETE FROM {batch} WHERE {sequence} IN (SELECT {sequence} FROM (SELECT {sequence},"  # noqa: S608 (identifiers are quoted)
            f" row_number() OVER (PARTITION BY {key} ORDER BY {_newest_first(merge)}) AS place"
            f" FROM {batch}) WHERE place > 1)",
            f"DELETE FROM {target} WHERE {row} IN (SELECT t.{row} FROM {batch} AS b"  # noqa: S608
            f" CROSS JOIN {target} AS t WHERE {same} AND NOT ({_is_newer(merge)}))",
            f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {batch} AS b"  # noqa: S608
            f" WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {same}){alive}",
        )

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        return (f"DROP TABLE {self.table(table, is_temporary=True)}",)

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        """Gives the staging table an index of no rows: its name is the mark, and goes with it."""
        mark = quoted(staging_mark(file_name(staging), table))
        file = quoted(file_name(staging))
        return (f"CREATE INDEX {MAIN}.{mark} ON {file} ({RAW_ID}) WHERE {RAW_ID} IS NULL",)

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        mark = quoted(staging_mark(file_name(staging), table))
        return (
            f"DROP TABLE IF EXISTS {self.table(table)}",
            f"DROP INDEX IF EXISTS {_key_index(staging)}",
            f"ALTER TABLE {self.table(staging)} RENAME TO {quoted(file_name(table))}",
            f"DROP INDEX {MAIN}.{mark}",
        )


def file_name(table: TableName) -> str:
    """Returns the name of a table in the file: the namespace, unless it is main, and a dot."""
    return table.name if table.schema in (None, MAIN) else f"{table.schema}.{table.name}"


def staging_mark(staging_file_name: str, table: TableName) -> str:
    """Returns the name of the index that marks a table as staging of another."""
    return f"penstock: {staging_file_name} has rows of {file_name(table)} not published yet"


def _key_index(table: TableName) -> str:
    return f"{MAIN}.{quoted(f'penstock: key of {file_name(table)}')}"


def _row_id(columns: Sequence[str]) -> str:
    """Returns the one of SQLite's names for a row's number that no column has."""
    taken = {name.lower() for name in columns}
    return next(name for name in ("_rowid_", "rowid", "oid") if name not in taken)


def _cursor(merge: Merge, alias: str) -> str:
    order = f" COLLATE {NUMERIC_ORDER}" if merge.cursor_kind in _NUMBERS_AS_TEXT else ""
    return f"{alias}{quoted(merge.cursor or '')}{order}"


def _newest_first(merge: Merge) -> str:
    last_arrived = f"{quoted(merge.sequence)} DESC"
    return f"{_cursor(merge, '')} DESC, {last_arrived}" if merge.cursor else last_arrived


def _is_newer(merge: Merge) -> str:
    """Returns a condition, never NULL: the row `t` of the table is newer than `b`."""
    if merge.cursor is None:
        return "0"
    name = quoted(merge.cursor)
    larger = f"coalesce({_cursor(merge, 't.')} > {_cursor(merge, 'b.')}, 0)"
    return f"t.{name} IS NOT NULL AND (b.{name} IS NULL OR {larger})"
