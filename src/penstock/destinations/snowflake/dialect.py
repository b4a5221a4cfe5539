"""Snowflake's own SQL: types, casts that never fail, MERGE, and publication without DDL.

Snowflake commits the open transaction before every DDL statement
(docs.snowflake.com/en/sql-reference/transactions), so there is
none between a BEGIN and its COMMIT. INSERT OVERWRITE is DML: it replaces the rows of a table in one
step, and keeps the table's grants, policies and comments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.data.types import Kind
from penstock.protocol.messages import ChangeKind
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, LoadColumn, Merge, TableColumn

_TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "NUMBER(19,0)",
    Kind.BIG_INTEGER: "NUMBER(38,0)",
    Kind.NUMBER: "FLOAT",
    Kind.DECIMAL: "NUMBER(38,9)",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP_TZ: "TIMESTAMP_TZ",
    Kind.TIMESTAMP: "TIMESTAMP_NTZ",
    Kind.TIME: "TIME",
    Kind.JSON: "VARIANT",
}
_KINDS: Final = {**{name: kind for kind, name in _TYPES.items()}, "TEXT": Kind.STRING}
_SENT: Final = {Kind.BOOLEAN: "BOOLEAN", Kind.INTEGER: "NUMBER(19,0)", Kind.NUMBER: "FLOAT"}
"""Kinds whose Parquet value COPY takes as it is; every other is sent as text and cast here."""
INCOMING: Final = TableName(schema=None, name="_penstock_incoming")
STAGE: Final = TableName(schema=None, name="_penstock_stage")


@dataclass(frozen=True, slots=True)
class SnowflakeDialect:
    """Snowflake as `SqlWriter` knows it."""

    default_schema: str
    retention_days: int | None = None

    name: ClassVar[str] = "Snowflake"
    max_identifier_bytes: ClassVar[int] = 255
    placeholder: ClassVar[str] = "%s"

    def quote(self, name: str) -> str:
        return quoted(name)

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        """A temporary table lies in the schema that its session uses."""
        if is_temporary:
            return quoted(table.name)
        return f"{quoted(table.schema or self.default_schema)}.{quoted(table.name)}"

    def type_name(self, kind: Kind) -> str:
        return _TYPES[kind]

    def kind_of(self, type_name: str) -> Kind | None:
        return kind_of_type(type_name)

    def create_schema(self, schema: str) -> str:
        days = self.retention_days
        tail = "" if days is None else f" DATA_RETENTION_TIME_IN_DAYS = {days}"
        return f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}{tail}"

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str:
        parts = ", ".join(f"{quoted(column.name)} {column.type_name}" for column in columns)
        name = self.table(table, is_temporary=is_temporary)
        if is_temporary:
            return f"CREATE OR REPLACE TEMPORARY TABLE {name} ({parts})"
        return f"CREATE TABLE IF NOT EXISTS {name} ({parts})"

    def add_column(self, table: TableName, name: str, kind: Kind) -> str:
        return f"ALTER TABLE {self.table(table)} ADD COLUMN {quoted(name)} {_TYPES[kind]}"

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        """One statement, so that a reader or a crash finds the column whole: old or new."""
        value = _cast(_text(quoted(name), old), _TYPES[new], new)
        return (
            f"CREATE OR REPLACE TABLE {self.table(table)} COPY GRANTS"
            f" AS SELECT * REPLACE ({value} AS {quoted(name)}) FROM {self.table(table)}",
        )

    def survives(self, name: str, old: Kind, new: Kind) -> str:
        return _comes_back(_text(quoted(name), old), old, _TYPES[new], new)

    def merge(self, merge: Merge) -> Sequence[str]:
        names = [quoted(name) for name in merge.columns]
        key = [quoted(name) for name in merge.key]
        order = f"{quoted(merge.sequence)} DESC"
        applies = ""
        if merge.cursor is not None:
            cursor = quoted(merge.cursor)
            order = f"{cursor} DESC NULLS LAST, {order}"
            newer = f"(b.{cursor} IS NULL OR COALESCE(t.{cursor} > b.{cursor}, FALSE))"
            applies = f" AND NOT (t.{cursor} IS NOT NULL AND {newer})"
        gone = f"b.{quoted(merge.deleted_at)} IS NOT NULL" if merge.deleted_at else ""
        match = " AND ".join(f"t.{name} IS NOT DISTINCT FROM b.{name}" for name in key)
        return (
            f"MERGE INTO {self.table(merge.table)} AS t USING (SELECT {', '.join(names)}"
            f" FROM {self.table(merge.batch, is_temporary=True)} QUALIFY ROW_NUMBER() OVER"
            f" (PARTITION BY {', '.join(key)} ORDER BY {order}) = 1) AS b ON {match}"
            + (f" WHEN MATCHED{applies} AND {gone} THEN DELETE" if gone else "")
            + f" WHEN MATCHED{applies} THEN UPDATE SET "
            + ", ".join(f"{name} = b.{name}" for name in names)
            + (f" WHEN NOT MATCHED AND NOT ({gone})" if gone else " WHEN NOT MATCHED")
            + f" THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f'b.{n}' for n in names)})",
        )

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        del table  # `create_table` replaces it; a DROP would commit the transaction
        return ()

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        return (f"COMMENT ON TABLE {self.table(staging)} IS {literal(staging_mark(table))}",)

    def create_staging(
        self, staging: TableName, table: TableName, columns: Sequence[TableColumn]
    ) -> str:
        return f"{self.create_table(staging, columns)} COMMENT = {literal(staging_mark(table))}"

    def replace_rows(
        self, staging: TableName, table: TableName, columns: Sequence[TableColumn]
    ) -> str:
        names = ", ".join(quoted(column.name) for column in columns)
        return (
            f"INSERT OVERWRITE INTO {self.table(table)} ({names})"
            f" SELECT {names} FROM {self.table(staging)}"
        )

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        """Readers see the old table or the new one; staging stays, so that this can be repeated."""
        return (
            f"CREATE OR REPLACE TABLE {self.table(table)} COPY GRANTS"
            f" AS SELECT * FROM {self.table(staging)}",
        )


def quoted(name: str) -> str:
    """Returns a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns text as an SQL string; a backslash begins an escape in Snowflake's."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def staging_mark(table: TableName) -> str:
    """Returns the comment that tells a staging table of this one."""
    return f"penstock: rows of {table.name} that are not published yet"


def kind_of_type(type_name: str) -> Kind | None:
    """Returns the kind a stored type holds; None for one penstock never makes."""
    return _KINDS.get(type_name)


def is_sent_as_text(column: LoadColumn) -> bool:
    """Tells whether COPY takes the exact text of a value, which INSERT then casts."""
    return column.kind not in _SENT or column.target.kind is not column.kind


def incoming_table(load: Load, name: str) -> str:
    """Makes the temporary table that COPY fills: c0, c1, … as the files have them."""
    types = ["VARCHAR" if is_sent_as_text(c) else _SENT[c.kind] for c in load.columns]
    types += ["VARCHAR", "VARCHAR", "VARCHAR"]
    types += ["NUMBER(19,0)"] if load.sequence is not None else []
    parts = ", ".join(f'"c{place}" {type_name}' for place, type_name in enumerate(types))
    return f"CREATE OR REPLACE TEMPORARY TABLE {name} ({parts})"


def insert_incoming(load: Load, target: str, incoming: str) -> str:
    """Returns the INSERT that casts the incoming rows into the table's own types."""
    values, problems = [], []
    for place, column in enumerate(load.columns):
        stored, problem = _landed(column, f'i."c{place}"')
        values.append(stored)
        problems += [problem] if problem else []
    extracted_at, changes, raw_id, sequence = (
        f'i."c{place}"' for place in range(len(load.columns), len(load.columns) + 4)
    )
    names = [column.target.name for column in load.columns]
    names += [EXTRACTED_AT, RAW_ID, META, GENERATION_ID]
    values += [
        _cast(extracted_at, load.extracted_at.type_name, load.extracted_at.kind),
        raw_id,
        _meta(load.sync_id, changes, problems),
        str(load.generation_id),
    ]
    if load.sequence is not None:
        names.append(load.sequence)
        values.append(sequence)
    columns = ", ".join(map(quoted, names))
    return f"INSERT INTO {target} ({columns}) SELECT {', '.join(values)} FROM {incoming} AS i"


def _landed(column: LoadColumn, value: str) -> tuple[str, str | None]:
    """Returns what is stored of a value, and the change to record where it cannot be."""
    target = column.target
    if not is_sent_as_text(column) or target.kind is Kind.STRING:
        return value, None
    stored = _cast(value, target.type_name, target.kind)
    if target.kind is column.kind:
        is_lost = f"{value} IS NOT NULL AND {stored} IS NULL"
        return stored, f"IFF({is_lost}, {_nulled(column)}, NULL)"
    survives = _comes_back(value, column.kind, target.type_name, target.kind)
    return f"IFF({survives}, {stored}, NULL)", f"IFF({survives}, NULL, {_nulled(column)})"


def _nulled(column: LoadColumn) -> str:
    change = {
        "field": column.source,
        "change": ChangeKind.NULLED.value,
        "reason": "DESTINATION_TYPECAST_ERROR",
    }
    return literal(json.dumps(change, ensure_ascii=False, separators=(",", ":")))


def _text(column: str, kind: Kind) -> str:
    """Returns a stored value as text."""
    return f"TO_JSON({column})" if kind is Kind.JSON else f"{column}::VARCHAR"


def _cast(text: str, type_name: str, kind: Kind | None) -> str:
    if kind is Kind.STRING:
        return text
    if kind is Kind.JSON:
        return f"TRY_PARSE_JSON({text})"
    return f"TRY_CAST({text} AS {type_name})"


def _comes_back(text: str, kind: Kind, type_name: str, target: Kind | None) -> str:
    """Returns a condition, never NULL: the stored value is still the one that came."""
    if target is Kind.STRING:
        return "TRUE"
    if target is Kind.JSON:
        return f"({text} IS NULL OR TRY_PARSE_JSON({text}) IS NOT NULL)"
    back = f"TRY_CAST(TRY_CAST({text} AS {type_name})::VARCHAR AS {_TYPES[kind]})"
    return f"{back} IS NOT DISTINCT FROM TRY_CAST({text} AS {_TYPES[kind]})"


def _meta(sync_id: int, changes: str, problems: Sequence[str]) -> str:
    head = literal(f'{{"sync_id":{sync_id},"changes":')
    if not problems:
        return f"PARSE_JSON({head} || COALESCE({changes}, '[]') || '}}')"
    inner = f"NULLIF(SUBSTR({changes}, 2, LENGTH({changes}) - 2), '')"
    parts = " || ".join(f"COALESCE(',' || {part}, '')" for part in [inner, *problems])
    return f"PARSE_JSON({head} || '[' || SUBSTR({parts}, 2) || ']}}')"
