"""DuckDB's own SQL: types, conversions, staging marks and the INSERT that lands a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, assert_never

from penstock.data.names import DATA, EXTRACTED_AT, GENERATION_ID, META, RAW_ID, STAGING_COMMENT
from penstock.data.schema_change import Conversion, conversion
from penstock.data.types import Kind
from penstock.protocol.messages import ChangeKind
from penstock.sdk.destination import TableName
from penstock.sdk.duckdb.names import literal, quoted
from penstock.sdk.sql.dialect import Load, LoadColumn, Merge, TableColumn
from penstock.sdk.sql.merge import delete_and_insert

_TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.BIG_INTEGER: "DECIMAL(38,0)",
    Kind.NUMBER: "DOUBLE",
    Kind.DECIMAL: "DECIMAL(38,9)",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP_TZ: "TIMESTAMP WITH TIME ZONE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIME: "TIME",
    Kind.JSON: "JSON",
}
_KINDS: Final = {name: kind for kind, name in _TYPES.items()}
_ROUNDED_TYPES: Final = ("DOUBLE", "FLOAT", "DECIMAL")
_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL})

INCOMING: Final = "_penstock_incoming"
"""The variable of `DuckDBSession.load` that holds the Arrow batches."""
ROW: Final = "_penstock_row"
"""The column of `INCOMING` that numbers its rows from 0."""

_LONG_AND_DISTINCT: Final = frozenset({RAW_ID, DATA})
"""Texts of which DuckDB would try to make a dictionary, in vain: zstd takes a fifth off the
time of an INSERT, and off the file. It is not left to DuckDB for texts below 4 KB, and for other
columns it would be a loss where they are often null or the same (a block a row group)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBDialect:
    """DuckDB as `SqlWriter` knows it."""

    default_schema: str
    has_zstd: bool = False
    """Whether tables of the file may use zstd: storage version 1.2 or newer."""

    name: ClassVar[str] = "DuckDB"
    max_identifier_bytes: ClassVar[int] = 255
    """DuckDB has no limit; this keeps names usable elsewhere (file names, other databases)."""
    placeholder: ClassVar[str] = "?"

    def quote(self, name: str) -> str:
        return quoted(name)

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        if is_temporary:
            return f"temp.main.{quoted(table.name)}"
        return f"{quoted(table.schema or self.default_schema)}.{quoted(table.name)}"

    def type_name(self, kind: Kind) -> str:
        return _TYPES[kind]

    def kind_of(self, type_name: str) -> Kind | None:
        return kind_of_type(type_name)

    def create_schema(self, schema: str) -> str:
        return f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}"

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str:
        parts = ", ".join(
            f"{quoted(column.name)} {column.type_name}"
            f"{self._compression(column, is_temporary=is_temporary)}"
            for column in columns
        )
        word = "TEMP TABLE" if is_temporary else "TABLE"
        return f"CREATE {word} {self.table(table, is_temporary=is_temporary)} ({parts})"

    def _compression(self, column: TableColumn, *, is_temporary: bool) -> str:
        is_meant = self.has_zstd and not is_temporary and column.name in _LONG_AND_DISTINCT
        return " USING COMPRESSION zstd" if is_meant else ""

    def add_column(self, table: TableName, name: str, kind: Kind) -> str:
        return f"ALTER TABLE {self.table(table)} ADD COLUMN {quoted(name)} {_TYPES[kind]}"

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        target = TableColumn(name=name, type_name=_TYPES[new], kind=new)
        return (
            f"ALTER TABLE {self.table(table)} ALTER COLUMN {quoted(name)}"
            f" SET DATA TYPE {_TYPES[new]} USING {converted(quoted(name), old, target)}",
        )

    def survives(self, name: str, old: Kind, new: Kind) -> str:
        target = TableColumn(name=name, type_name=_TYPES[new], kind=new)
        return _comes_back(quoted(name), old, converted(quoted(name), old, target))

    def merge(self, merge: Merge) -> Sequence[str]:
        batch = self.table(merge.batch, is_temporary=True)
        return delete_and_insert(merge, quote=quoted, table=self.table, batch=batch)

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        return (f"DROP TABLE {self.table(table, is_temporary=True)}",)

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        return (f"COMMENT ON TABLE {self.table(staging)} IS {literal(staging_mark(table))}",)

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        return (
            f"DROP TABLE IF EXISTS {self.table(table)}",
            f"ALTER TABLE {self.table(staging)} RENAME TO {quoted(table.name)}",
            f"COMMENT ON TABLE {self.table(table)} IS NULL",
        )


def staging_mark(table: TableName) -> str:
    """Returns the comment that tells a staging table of this one."""
    return f"{STAGING_COMMENT}{table.name} that are not published yet"


def kind_of_type(type_name: str) -> Kind | None:
    """Returns the kind a DuckDB type holds; None for a type penstock never makes."""
    return _KINDS.get(type_name)


def insert(load: Load, *, first_id: int, has_changes: bool) -> str:
    """Returns the INSERT that lands the incoming batches, their raw ids counted from `first_id`.

    `has_changes` False promises that no incoming row has changes, which spares their JSON.
    """
    incoming = [f"i.c{place}" for place in range(len(load.columns) + 2)]
    extracted_at, changes = incoming[-2:]
    values: list[str] = []
    problems: list[str] = []
    for column, value in zip(load.columns, incoming, strict=False):
        stored, problem = _landed(column, value)
        values.append(stored)
        if problem is not None:
            problems.append(problem)
    names = [column.target.name for column in load.columns]
    names += [RAW_ID, EXTRACTED_AT, META, GENERATION_ID]
    values += [
        f"CAST(CAST({first_id}::UHUGEINT + i.{ROW}::UHUGEINT AS UUID) AS VARCHAR)",
        converted(extracted_at, Kind.TIMESTAMP_TZ, load.extracted_at),
        _meta(load.sync_id, changes if has_changes else None, problems),
        f"CAST({load.generation_id} AS BIGINT)",
    ]
    if load.sequence is not None:
        names.append(load.sequence)
        values.append(f"i.c{len(load.columns) + 2}")
    table = DuckDBDialect(default_schema=load.table.schema or "main").table(
        load.table, is_temporary=load.is_temporary
    )
    columns = ", ".join(quoted(name) for name in names)
    return f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} FROM {INCOMING} AS i"  # noqa: S608 (identifiers are quoted)


def converted(value: str, kind: Kind, target: TableColumn) -> str:
    """Returns a value of one kind as SQL of the stored type; NULL where it does not fit."""
    match conversion(kind, target.kind):
        case Conversion.NONE:
            return value
        case Conversion.EXACT:
            return _exactly(value, kind, target)
        case Conversion.CHECKED if kind is Kind.TIMESTAMP_TZ:
            return f"TRY_CAST(timezone('UTC', {value}) AS {target.type_name})"
        case Conversion.CHECKED:
            return f"TRY_CAST({value} AS {target.type_name})"
        case never:
            assert_never(never)


def _exactly(value: str, kind: Kind, target: TableColumn) -> str:
    if target.kind is Kind.STRING:
        return _text(value, kind)
    if target.kind is Kind.JSON:
        return _json(value, kind)
    if kind is Kind.TIMESTAMP_TZ:
        return f"timezone('UTC', {value})"
    return f"CAST({value} AS {target.type_name})"


def _text(value: str, kind: Kind) -> str:
    """Dates and times in ISO 8601, instants in UTC with `Z`; JSON as its own text."""
    if kind is Kind.TIMESTAMP_TZ:
        return f"strftime(timezone('UTC', {value}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind is Kind.TIMESTAMP:
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%f')"
    return f"CAST({value} AS VARCHAR)"


def _json(value: str, kind: Kind) -> str:
    if kind in _NUMBERS - {Kind.NUMBER} or kind is Kind.BOOLEAN:
        return f"CAST(CAST({value} AS VARCHAR) AS JSON)"
    if kind is Kind.NUMBER:
        return f"to_json({value})"
    return f"to_json({_text(value, kind)})"


def _landed(column: LoadColumn, value: str) -> tuple[str, str | None]:
    """Returns the value to store, and SQL for its change record (NULL where there is none)."""
    stored = converted(value, column.kind, column.target)
    if conversion(column.kind, column.target.kind) is not Conversion.CHECKED:
        return stored, None
    is_same = _comes_back(value, column.kind, stored)
    nulled = literal(_change(column.source, ChangeKind.NULLED))
    if column.kind in _NUMBERS and column.target.type_name.startswith(_ROUNDED_TYPES):
        rounded = literal(_change(column.source, ChangeKind.TRUNCATED))
        how = f"CASE WHEN {stored} IS NULL THEN {nulled} ELSE {rounded} END"
        return stored, f"CASE WHEN {is_same} THEN NULL ELSE {how} END"
    return (
        f"CASE WHEN {is_same} THEN {stored} END",
        f"CASE WHEN {is_same} THEN NULL ELSE {nulled} END",
    )


def _comes_back(value: str, kind: Kind, stored: str) -> str:
    """Returns a condition, never NULL: converted back, the stored value is the one that came."""
    if kind is Kind.TIMESTAMP_TZ:
        back = f"timezone('UTC', TRY_CAST({stored} AS TIMESTAMP))"
    else:
        back = f"TRY_CAST({stored} AS {_TYPES[kind]})"
    return f"{back} IS NOT DISTINCT FROM {value}"


def _change(field: str, change: ChangeKind) -> str:
    return json.dumps(
        {"field": field, "change": change.value, "reason": "DESTINATION_TYPECAST_ERROR"},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _meta(sync_id: int, changes: str | None, problems: Sequence[str]) -> str:
    """Returns {"sync_id": n, "changes": […]}, from the source's changes and the column's own."""
    unchanged = literal(f'{{"sync_id":{sync_id},"changes":[]}}') + "::JSON"
    head = literal(f'{{"sync_id":{sync_id},"changes":[')
    if not problems:
        if changes is None:
            return unchanged
        head = literal(f'{{"sync_id":{sync_id},"changes":')
        changed = f"({head} || {changes} || '}}')::JSON"
        return f"CASE WHEN {changes} IS NULL THEN {unchanged} ELSE {changed} END"
    entries = list(problems)
    if changes is not None:
        # The list's entries without its brackets; nothing at all for an empty list.
        entries.insert(0, f"nullif(trim(trim({changes})[2:-2]), '')")
    return f"({head} || concat_ws(',', {', '.join(entries)}) || ']}}')::JSON"
