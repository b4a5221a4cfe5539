"""BigQuery's own SQL: types, staging marks, the merge and the steps of a swap."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from penstock.data.types import Kind
from penstock.destinations.bigquery.conversions import converted, literal, quoted
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Merge, TableColumn

TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "STRING",
    Kind.BOOLEAN: "BOOL",
    Kind.INTEGER: "INT64",
    Kind.BIG_INTEGER: "BIGNUMERIC(38, 0)",
    Kind.NUMBER: "FLOAT64",
    Kind.DECIMAL: "NUMERIC",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP_TZ: "TIMESTAMP",
    Kind.TIMESTAMP: "DATETIME",
    Kind.TIME: "TIME",
    Kind.JSON: "JSON",
}
"""NUMERIC is 29 digits before the point and 9 behind it: just what DECIMAL is."""
_KINDS: Final = {name: kind for kind, name in TYPES.items()}

STAGING_LABEL: Final = "penstock_staging_of"
"""Label of a staging table; its value is `staging_mark` of the table it is for."""
_WIDENED_IN_PLACE: Final = frozenset({Kind.BIG_INTEGER, Kind.DECIMAL, Kind.NUMBER})
"""What SET DATA TYPE makes of an INT64, without rewriting the table."""


@dataclass(frozen=True, slots=True)
class BigQueryDialect:
    """BigQuery as `SqlWriter` knows it; a schema is a dataset."""

    project: str
    default_schema: str
    location: str = "US"
    scratch: str = "none"
    """Ends the names of scratch tables, so that writers side by side have their own."""

    name: ClassVar[str] = "BigQuery"
    max_identifier_bytes: ClassVar[int] = 300
    """Characters of a column's name (https://cloud.google.com/bigquery/docs/schemas); a table's
    may have 1,024 bytes."""
    placeholder: ClassVar[str] = "?"

    def quote(self, name: str) -> str:
        return quoted(name)

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        dataset = table.schema or self.default_schema
        name = f"{table.name}_{self.scratch}" if is_temporary else table.name
        return f"{quoted(self.project)}.{quoted(dataset)}.{quoted(name)}"

    def type_name(self, kind: Kind) -> str:
        return TYPES[kind]

    def kind_of(self, type_name: str) -> Kind | None:
        return kind_of_type(type_name)

    def create_schema(self, schema: str) -> str:
        name = f"{quoted(self.project)}.{quoted(schema)}"
        return f"CREATE SCHEMA IF NOT EXISTS {name} OPTIONS (location={literal(self.location)})"

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str:
        """A temporary table is one of the dataset, which goes by itself after a day."""
        parts = ", ".join(f"{quoted(column.name)} {column.type_name}" for column in columns)
        name = self.table(table, is_temporary=is_temporary)
        if not is_temporary:
            return f"CREATE TABLE IF NOT EXISTS {name} ({parts})"
        expires = "TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
        return f"CREATE OR REPLACE TABLE {name} ({parts}) OPTIONS (expiration_timestamp={expires})"

    def add_column(self, table: TableName, name: str, kind: Kind) -> str:
        return f"ALTER TABLE {self.table(table)} ADD COLUMN {quoted(name)} {TYPES[kind]}"

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        """Changes the type in place where BigQuery can, else writes the table anew at a stroke."""
        if old is Kind.INTEGER and new in _WIDENED_IN_PLACE:
            return (
                f"ALTER TABLE {self.table(table)} ALTER COLUMN {quoted(name)}"
                f" SET DATA TYPE {TYPES[new]}",
            )
        target = TableColumn(name=name, type_name=TYPES[new], kind=new)
        value = converted(quoted(name), old, target)
        return (
            f"CREATE OR REPLACE TABLE {self.table(table)} AS"
            f" SELECT * REPLACE ({value} AS {quoted(name)}) FROM {self.table(table)}",
        )

    def survives(self, name: str, old: Kind, new: Kind) -> str:
        column = quoted(name)
        there = f"SAFE_CAST({column} AS {_bare(TYPES[new])})"
        return f"(SAFE_CAST({there} AS {_bare(TYPES[old])}) IS NOT DISTINCT FROM {column})"

    def merge(self, merge: Merge) -> Sequence[str]:
        """Returns a MERGE of the newest row of each key; see `penstock.sdk.sql.merge`.

        Keys compare as JSON text: NULL equals NULL, and BigQuery still joins by hash, which it
        does for equalities alone.
        """
        same = " AND ".join(
            f"TO_JSON_STRING(t.{quoted(k)}) = TO_JSON_STRING(b.{quoted(k)})" for k in merge.key
        )
        key = ", ".join(f"TO_JSON_STRING({quoted(k)})" for k in merge.key)
        columns = ", ".join(map(quoted, merge.columns))
        values = ", ".join(f"b.{quoted(name)}" for name in merge.columns)
        changes = ", ".join(f"{quoted(name)} = b.{quoted(name)}" for name in merge.columns)
        batch = self.table(merge.batch, is_temporary=True)
        is_due = f"NOT ({_is_newer(merge)})"
        deletes, alive = "", ""
        if merge.deleted_at is not None:
            deletes = f" WHEN MATCHED AND {is_due} AND b.{quoted(merge.deleted_at)} IS NOT NULL"
            deletes += " THEN DELETE"
            alive = f" AND b.{quoted(merge.deleted_at)} IS NULL"
        return (
            f"MERGE INTO {self.table(merge.table)} AS t USING (SELECT * FROM {batch} WHERE TRUE"
            f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {_newest_first(merge)}) = 1"
            f") AS b ON {same}{deletes} WHEN MATCHED AND {is_due} THEN UPDATE SET {changes}"
            f" WHEN NOT MATCHED{alive} THEN INSERT ({columns}) VALUES ({values})",
        )

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        return (f"DROP TABLE {self.table(table, is_temporary=True)}",)

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        label = f"({literal(STAGING_LABEL)}, {literal(staging_mark(table))})"
        return (f"ALTER TABLE {self.table(staging)} SET OPTIONS (labels=[{label}])",)

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        """Copies without moving data; readers see the old rows or the new ones."""
        return (
            f"CREATE OR REPLACE TABLE {self.table(table)} COPY {self.table(staging)}",
            f"ALTER TABLE {self.table(table)} SET OPTIONS (labels=[])",
        )


def staging_mark(table: TableName) -> str:
    """Returns the label's value: at most 63 small letters, digits, `_` and `-`."""
    return hashlib.sha256(table.name.encode()).hexdigest()[:40]


def kind_of_type(type_name: str) -> Kind | None:
    """Returns the kind a stored type holds; None for a type penstock never makes."""
    return _KINDS.get(type_name)


def _bare(type_name: str) -> str:
    return type_name.partition("(")[0]


def _newest_first(merge: Merge) -> str:
    last_arrived = f"{quoted(merge.sequence)} DESC"
    if merge.cursor is None:
        return last_arrived
    return f"{quoted(merge.cursor)} DESC NULLS LAST, {last_arrived}"


def _is_newer(merge: Merge) -> str:
    """Returns a condition, never NULL: the row `t` of the table is newer than `b`."""
    if merge.cursor is None:
        return "FALSE"
    cursor = quoted(merge.cursor)
    larger = f"(b.{cursor} IS NULL OR IFNULL(t.{cursor} > b.{cursor}, FALSE))"
    return f"t.{cursor} IS NOT NULL AND {larger}"
