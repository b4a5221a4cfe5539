"""MySQL's own SQL: types that keep values exact, marks in comments, conversions and the merge.

Two kinds have no type of their own, and are told apart by the comment of their column: instants
are DATETIME(6) in UTC (TIMESTAMP ends in 2038), and JSON is LONGTEXT, since MySQL's JSON rounds
numbers and sorts keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from penstock.data.names import STAGING_COMMENT
from penstock.data.types import Kind
from penstock.sdk.destination import TableName
from penstock.sdk.mysql.connection import identifier, literal
from penstock.sdk.sql.dialect import Merge, TableColumn

_TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "longtext",
    Kind.BOOLEAN: "tinyint(1)",
    Kind.INTEGER: "bigint",
    Kind.BIG_INTEGER: "decimal(38,0)",
    Kind.NUMBER: "double",
    Kind.DECIMAL: "decimal(38,9)",
    Kind.DATE: "date",
    Kind.TIMESTAMP_TZ: "datetime(6) COMMENT 'UTC'",
    Kind.TIMESTAMP: "datetime(6)",
    Kind.TIME: "time(6)",
    Kind.JSON: "longtext COMMENT 'JSON'",
}
_KINDS: Final = {**{name: kind for kind, name in _TYPES.items()}, "json": Kind.JSON}
_WIDTH: Final = re.compile(r"^((?:small|medium|big)?int|tinyint(?!\(1\)))\(\d+\)")
"""MariaDB and MySQL before 8.0.19 tell a width of integers that means nothing."""

_OPTIONS: Final = (
    "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4"
    " /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */"
)
"""Texts are equal when every byte is: utf8mb4_bin would let spaces at the end not count. Each
server reads its own comment (MariaDB "Comment Syntax"; MySQL "Comments")."""

_INDEX_BYTES: Final = 3072
_LOCK_SECONDS: Final = 300
MERGE_LOCK: Final = "DO CASE GET_LOCK("
"""How the statement begins that keeps other merges from a table until the transaction ends."""


@dataclass(frozen=True, slots=True)
class MySQLDialect:
    """MySQL as `SqlWriter` knows it; a schema is a database."""

    default_schema: str

    name: ClassVar[str] = "MySQL"
    max_identifier_bytes: ClassVar[int] = 64
    placeholder: ClassVar[str] = "%s"

    def quote(self, name: str) -> str:
        return identifier(name)

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        schema = self.default_schema if is_temporary else table.schema or self.default_schema
        return identifier(schema, table.name)

    def type_name(self, kind: Kind) -> str:
        return _TYPES[kind]

    def kind_of(self, type_name: str) -> Kind | None:
        return kind_of_type(type_name)

    def create_schema(self, schema: str) -> str:
        return f"CREATE DATABASE IF NOT EXISTS {identifier(schema)} DEFAULT CHARACTER SET utf8mb4"

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str:
        word = "TEMPORARY TABLE" if is_temporary else "TABLE"
        return f"CREATE {word} {self.table(table, is_temporary=is_temporary)} {definition(columns)}"

    def add_column(self, table: TableName, name: str, kind: Kind) -> str:
        return f"ALTER TABLE {self.table(table)} ADD COLUMN {identifier(name)} {_TYPES[kind]}"

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        """Fills a new column, and puts it in the place of the old one in one statement.

        An attempt that ends in between leaves a column that the next one fills anew.
        """
        target, passing = self.table(table), identifier(passing_column(name, new))
        return (
            f"{ADD_PASSING}{target} ADD COLUMN {passing} {_TYPES[new]}",
            f"UPDATE {target} SET {passing} = {_converted(identifier(name), old, new)}",  # noqa: S608 (identifiers are quoted)
            f"ALTER TABLE {target} DROP COLUMN {identifier(name)},"
            f" CHANGE COLUMN {passing} {identifier(name)} {_TYPES[new]}",
        )

    def survives(self, name: str, old: Kind, new: Kind) -> str:  # noqa: ARG002 (numbers alone ask)
        # MySQL turns a double into the shortest decimal that gives it back.
        column = identifier(name)
        back = f"CAST(CAST({column} AS DOUBLE) AS DECIMAL(65,20))"
        return f"({column} IS NULL OR (abs({column}) < 1e44 AND {back} <=> {column}))"

    def merge(self, merge: Merge) -> Sequence[str]:
        """Ranks the batch into a table of its winners, since MySQL reads a temporary table once.

        Two syncs that merge into one table do so one after the other; readers go on.
        """
        target = self.table(merge.table)
        batch = self.table(merge.batch, is_temporary=True)
        winners = identifier(self.default_schema, "_penstock_winners")
        key = ", ".join(identifier(name) for name in merge.key)
        same = " AND ".join(f"t.{identifier(k)} <=> b.{identifier(k)}" for k in merge.key)
        columns = ", ".join(identifier(name) for name in merge.columns)
        alive = f" AND b.{identifier(merge.deleted_at)} IS NULL" if merge.deleted_at else ""
        newest = f"{identifier(merge.sequence)} DESC"
        if merge.cursor is not None:
            newest = f"{identifier(merge.cursor)} DESC, {newest}"  # NULL is the smallest
        lock = literal("penstock:" + hashlib.sha256(target.encode()).hexdigest()[:32])
        return (
            f"{MERGE_LOCK}{lock}, {_LOCK_SECONDS}) WHEN 1 THEN 1"
            " ELSE (SELECT 1 UNION SELECT 2) END",
            f"CREATE TEMPORARY TABLE {winners} {_OPTIONS} AS SELECT {columns} FROM"  # noqa: S608 (identifiers are quoted)
            f" (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {newest}) AS"
            f" _penstock_place FROM {batch}) AS ranked WHERE _penstock_place = 1",
            f"DELETE t FROM {winners} AS b STRAIGHT_JOIN {target} AS t"
            f" ON {same} WHERE NOT ({_is_newer(merge)})",
            f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {winners} AS b"  # noqa: S608
            f" WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {same}){alive}",
            f"DROP TEMPORARY TABLE {winners}",
        )

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        # TEMPORARY: else the statement would end the transaction.
        return (f"DROP TEMPORARY TABLE {self.table(table, is_temporary=True)}",)

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        comment = literal(staging_mark(staging, table))
        return (f"ALTER TABLE {self.table(staging)} COMMENT = {comment}",)

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        """Returns the rename alone: `MySQLSession.publish` sees to a table that is there."""
        return (f"RENAME TABLE {self.table(staging)} TO {self.table(table)}",)


ADD_PASSING: Final = "ALTER /* may be there */ TABLE "


def passing_column(name: str, new: Kind) -> str:
    """Returns the name of the column that holds converted values until it takes the place."""
    return f"_penstock_{new}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def definition(columns: Sequence[TableColumn]) -> str:
    """Returns the columns and options of a new table."""
    parts = ", ".join(f"{identifier(column.name)} {column.type_name}" for column in columns)
    return f"({parts}) {_OPTIONS}"


def key_index(columns: Sequence[TableColumn]) -> str:
    """Returns the parts of an index on a key; of texts, as many letters as fit."""
    letters = _INDEX_BYTES // 4 // max(1, len(columns))
    return ", ".join(
        f"{identifier(column.name)}({letters})"
        if re.match(r"\w*(text|blob|json)", column.type_name)
        else identifier(column.name)
        for column in columns
    )


def staging_mark(staging: TableName, table: TableName) -> str:
    """Returns the comment of a staging table, which stays with it when it is renamed."""
    return f"{STAGING_COMMENT}{table.name} that are not published yet ({staging.name})"


def replaced_mark(table: TableName) -> str:
    """Returns the comment of a table that is about to be replaced."""
    return f"penstock: {table.name} as it was before it was replaced"


def type_of(column_type: str, comment: str) -> str:
    """Returns a column's type as `type_name` spells it."""
    plain = _WIDTH.sub(r"\1", column_type.lower())
    marked = f"{plain} COMMENT {literal(comment)}"
    return marked if marked in _KINDS else plain


def kind_of_type(type_name: str) -> Kind | None:
    """Returns the kind a stored type holds; None for a type penstock never makes."""
    return _KINDS.get(type_name)


def _is_newer(merge: Merge) -> str:
    """Returns a condition, never NULL: the row `t` of the table is newer than `b`."""
    if merge.cursor is None:
        return "FALSE"
    cursor = identifier(merge.cursor)
    larger = f"(b.{cursor} IS NULL OR coalesce(t.{cursor} > b.{cursor}, FALSE))"
    return f"t.{cursor} IS NOT NULL AND {larger}"


_PLAIN: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL})


def _converted(value: str, old: Kind, new: Kind) -> str:
    if new is Kind.STRING:
        return _text(value, old)
    if new is Kind.JSON:
        text = _text(value, old)
        return text if old in _PLAIN or old is Kind.BOOLEAN else f"json_quote({text})"
    return value


def _text(value: str, kind: Kind) -> str:
    match kind:
        case Kind.BOOLEAN:
            return f"CASE {value} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"
        case Kind.TIMESTAMP:
            return f"replace(CAST({value} AS CHAR), ' ', 'T')"
        case Kind.TIMESTAMP_TZ:
            return f"concat(replace(CAST({value} AS CHAR), ' ', 'T'), 'Z')"
        case Kind.STRING | Kind.JSON:
            return value
        case _:
            return f"CAST({value} AS CHAR)"
