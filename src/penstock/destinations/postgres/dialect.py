"""PostgreSQL's own SQL: types, conversions, staging marks and the INSERT of converted rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, assert_never

from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID, STAGING_COMMENT
from penstock.data.schema_change import Conversion, conversion
from penstock.data.types import Kind
from penstock.protocol.messages import ChangeKind
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, LoadColumn, Merge, TableColumn
from penstock.sdk.sql.merge import delete_and_insert

_TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "text",
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.BIG_INTEGER: "numeric(38,0)",
    Kind.NUMBER: "double precision",
    Kind.DECIMAL: "numeric(38,9)",
    Kind.DATE: "date",
    Kind.TIMESTAMP_TZ: "timestamp with time zone",
    Kind.TIMESTAMP: "timestamp without time zone",
    Kind.TIME: "time without time zone",
    Kind.JSON: "jsonb",
}
"""As `format_type` spells them."""
_KINDS: Final = {
    **{name: kind for kind, name in _TYPES.items()},
    "character varying": Kind.STRING,
    "json": Kind.JSON,
}
_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL})
_EXACT_IN_NUMERIC: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.DECIMAL})
_ROUNDED_TYPES: Final = ("double precision", "real", "numeric")

_MOST_ARGUMENTS: Final = 90
"""A function of PostgreSQL takes a hundred arguments (FUNC_MAX_ARGS)."""

INCOMING: Final = "_penstock_incoming"
"""Temporary table that holds rows of which a column has to be converted."""
TRY_CAST: Final = """\
CREATE OR REPLACE FUNCTION pg_temp._penstock_try(value text, type_name text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT (%L::%s)::text', value, type_name) INTO result;
    RETURN result;
EXCEPTION WHEN data_exception OR invalid_text_representation OR check_violation
    OR not_null_violation OR cannot_coerce THEN
    RETURN NULL;
END $$"""
"""PostgreSQL has no TRY_CAST (16 can only test a text); the function lasts as long as a session."""


@dataclass(frozen=True, slots=True)
class PostgresDialect:
    """PostgreSQL as `SqlWriter` knows it."""

    default_schema: str
    cascades: bool = False
    """Whether what depends on a table goes when an overwrite replaces it."""

    name: ClassVar[str] = "PostgreSQL"
    max_identifier_bytes: ClassVar[int] = 63
    """NAMEDATALEN - 1; longer names would be cut in silence."""
    placeholder: ClassVar[str] = "%s"

    def quote(self, name: str) -> str:
        return quoted(name)

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        schema = "pg_temp" if is_temporary else table.schema or self.default_schema
        return f"{quoted(schema)}.{quoted(table.name)}"

    def type_name(self, kind: Kind) -> str:
        return _TYPES[kind]

    def kind_of(self, type_name: str) -> Kind | None:
        return kind_of_type(type_name)

    def create_schema(self, schema: str) -> str:
        """Creates only what is missing: IF NOT EXISTS asks for the right to create all the same."""
        return (
            f"DO $penstock$ BEGIN IF to_regnamespace({literal(quoted(schema))}) IS NULL"
            f" THEN CREATE SCHEMA {quoted(schema)}; END IF; END $penstock$"
        )

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str:
        parts = ", ".join(f"{quoted(column.name)} {column.type_name}" for column in columns)
        word = "TEMPORARY TABLE" if is_temporary else "TABLE"
        return f"CREATE {word} {self.table(table, is_temporary=is_temporary)} ({parts})"

    def add_column(self, table: TableName, name: str, kind: Kind) -> str:
        return f"ALTER TABLE {self.table(table)} ADD COLUMN {quoted(name)} {_TYPES[kind]}"

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        target = TableColumn(name=name, type_name=_TYPES[new], kind=new)
        return (
            f"ALTER TABLE {self.table(table)} ALTER COLUMN {quoted(name)}"
            f" TYPE {_TYPES[new]} USING {_sure(quoted(name), old, target)}",
        )

    def survives(self, name: str, old: Kind, new: Kind) -> str:  # noqa: ARG002 (numbers alone ask)
        # By way of text, since float8 to numeric keeps 15 digits of up to 17.
        column = quoted(name)
        back = f"({column}::{_TYPES[new]})::text::numeric"
        return f"{back} IS NOT DISTINCT FROM {column}::numeric"

    def merge(self, merge: Merge) -> Sequence[str]:
        batch = self.table(merge.batch, is_temporary=True)
        return (
            # Two syncs that merge into one table do so one after the other; readers go on.
            f"LOCK TABLE {self.table(merge.table)} IN SHARE ROW EXCLUSIVE MODE",
            f"ANALYZE {batch}",
            *delete_and_insert(
                merge, quote=quoted, table=self.table, batch=batch, hashes_null_keys=False
            ),
        )

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        return (f"DROP TABLE {self.table(table, is_temporary=True)}",)

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        return (f"COMMENT ON TABLE {self.table(staging)} IS {literal(staging_mark(table))}",)

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        how = " CASCADE" if self.cascades else ""
        return (
            f"DROP TABLE IF EXISTS {self.table(table)}{how}",
            f"ALTER TABLE {self.table(staging)} RENAME TO {quoted(table.name)}",
            f"COMMENT ON TABLE {self.table(table)} IS NULL",
        )


def quoted(name: str) -> str:
    """Returns a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def staging_mark(table: TableName) -> str:
    """Returns the comment that tells a staging table of this one."""
    return f"{STAGING_COMMENT}{table.name} that are not published yet"


def kind_of_type(type_name: str) -> Kind | None:
    """Returns the kind a stored type holds; None for a type penstock never makes."""
    return _KINDS.get(type_name)


def incoming_table(load: Load) -> str:
    """Returns the statement for a table of rows as they arrive, columns c0, c1, …"""
    kinds = [*(column.kind for column in load.columns), Kind.TIMESTAMP_TZ, Kind.JSON]
    types = [_TYPES[kind] for kind in kinds]
    types[-1] = "text"  # the changes, and then the identifiers: made before the rows are sent
    types += ["text", *(["bigint"] if load.sequence is not None else [])]
    parts = ", ".join(f"c{place} {name}" for place, name in enumerate(types))
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS {INCOMING} ({parts}) ON COMMIT DROP"


def insert_converted(load: Load, target: str) -> str:
    """Returns the INSERT of incoming rows, each value converted and what it lost recorded."""
    places = [f"i.c{place}" for place in range(len(load.columns) + 4)]
    values: list[str] = []
    problems: list[str] = []
    for column, value in zip(load.columns, places, strict=False):
        stored, problem = _landed(column, value)
        values.append(stored)
        if problem is not None:
            problems.append(problem)
    extracted_at, changes, raw_id, sequence = places[len(load.columns) :]
    names = [column.target.name for column in load.columns]
    names += [RAW_ID, EXTRACTED_AT, META, GENERATION_ID]
    values += [
        raw_id,
        _converted(extracted_at, Kind.TIMESTAMP_TZ, load.extracted_at),
        _meta(load.sync_id, changes, problems),
        f"{load.generation_id}::bigint",
    ]
    if load.sequence is not None:
        names.append(load.sequence)
        values.append(sequence)
    listed = ", ".join(quoted(name) for name in names)
    return f"INSERT INTO {target} ({listed}) SELECT {', '.join(values)} FROM {INCOMING} AS i"  # noqa: S608 (identifiers are quoted)


def _converted(value: str, kind: Kind, target: TableColumn) -> str:
    """Returns a value of one kind as SQL of the stored type; NULL where it does not fit."""
    if _is_sure(kind, target):
        return _sure(value, kind, target)
    text = _tried(_text(value, kind), target.type_name)
    return f"CAST({text} AS {target.type_name})"


def _is_sure(kind: Kind, target: TableColumn) -> bool:
    if target.type_name == "numeric" and kind in _EXACT_IN_NUMERIC:
        return True
    return conversion(kind, target.kind) is not Conversion.CHECKED


def _sure(value: str, kind: Kind, target: TableColumn) -> str:
    """Returns a conversion that cannot fail."""
    if target.kind is kind:
        return f"{value}::{target.type_name}"
    match target.kind:
        case Kind.STRING:
            return _text(value, kind)
        case Kind.JSON:
            plain = kind in _NUMBERS or kind is Kind.BOOLEAN
            return f"to_jsonb({value if plain else _text(value, kind)})"
        case Kind.TIMESTAMP if kind is Kind.TIMESTAMP_TZ:
            return f"timezone('UTC', {value})"
        case _:
            return f"{value}::{target.type_name}"


def _text(value: str, kind: Kind) -> str:
    """Dates and times in ISO 8601, instants in UTC with `Z`; JSON as its own text."""
    match kind:
        case Kind.TIMESTAMP_TZ:
            return f"(replace((timezone('UTC', {value}))::text, ' ', 'T') || 'Z')"
        case Kind.TIMESTAMP:
            return f"replace({value}::text, ' ', 'T')"
        case Kind.STRING:
            return value
        case (
            Kind.BOOLEAN
            | Kind.INTEGER
            | Kind.BIG_INTEGER
            | Kind.NUMBER
            | Kind.DECIMAL
            | Kind.DATE
            | Kind.TIME
            | Kind.JSON
        ):
            return f"{value}::text"
        case _:
            assert_never(kind)


def _tried(text: str, type_name: str) -> str:
    return f"pg_temp._penstock_try({text}, {literal(type_name)})"


def _landed(column: LoadColumn, value: str) -> tuple[str, str | None]:
    """Returns the value to store, and SQL for its change record (NULL where there is none)."""
    target = column.target
    if _is_sure(column.kind, target):
        return _sure(value, column.kind, target), None
    text = _text(value, column.kind)
    tried = _tried(text, target.type_name)
    stored = f"CAST({tried} AS {target.type_name})"
    back = _tried(tried, _TYPES[column.kind])
    is_same = f"({back})::{_TYPES[column.kind]} IS NOT DISTINCT FROM {value}"
    nulled = _change(column.source, ChangeKind.NULLED)
    if column.kind in _NUMBERS and target.type_name.startswith(_ROUNDED_TYPES):
        rounded = _change(column.source, ChangeKind.TRUNCATED)
        how = f"CASE WHEN {tried} IS NULL THEN {nulled} ELSE {rounded} END"
        return stored, f"CASE WHEN {is_same} THEN NULL ELSE {how} END"
    return (
        f"CASE WHEN {is_same} THEN {stored} END",
        f"CASE WHEN {is_same} THEN NULL ELSE {nulled} END",
    )


def change_entry(field: str, change: ChangeKind) -> str:
    """Returns one entry of `_airbyte_meta.changes`."""
    return json.dumps(
        {"field": field, "change": change.value, "reason": "DESTINATION_TYPECAST_ERROR"},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _change(field: str, change: ChangeKind) -> str:
    return f"{literal(change_entry(field, change))}::jsonb"


def _meta(sync_id: int, changes: str, problems: Sequence[str]) -> str:
    entries = f"coalesce({changes}::jsonb, '[]'::jsonb)"
    for start in range(0, len(problems), _MOST_ARGUMENTS):
        listed = f"jsonb_build_array({', '.join(problems[start : start + _MOST_ARGUMENTS])})"
        entries += f" || jsonb_path_query_array({listed}, '$[*] ? (@ != null)')"
    return f"jsonb_build_object('sync_id', {sync_id}, 'changes', {entries})"
