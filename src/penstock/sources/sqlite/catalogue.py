"""What a file has to read: tables, views, and what their columns really hold.

SQLite takes any value in any column. So the declared type proposes a kind, and the values of the
first rows accept it; where they do not, the column is text, and loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.data import temporal
from penstock.data.types import Kind
from penstock.errors import ConfigError
from penstock.sdk.sqlite.connection import connect, translated
from penstock.sdk.sqlite.types import affinity, kind_of_type, quoted

_BUSY_SECONDS: Final = 60.0
_HIDDEN: Final = 1
"""`hidden` of pragma_table_xinfo: a virtual table's own arguments."""
_RELATIONS: Final = (
    "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_penstock\\_%' ESCAPE '\\'"
    " ORDER BY name"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationColumn:
    """One column and the kind its values are read as."""

    name: str
    kind: Kind
    is_binary: bool
    """True where text stands for bytes, as base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One table or view."""

    name: str
    columns: tuple[RelationColumn, ...]
    primary_key: tuple[str, ...]
    row_id: str | None
    """The name of the row's number; None for views and tables WITHOUT ROWID."""

    @property
    def sql(self) -> str:
        return f"main.{quoted(self.name)}"

    def column(self, name: str) -> RelationColumn | None:
        return next((column for column in self.columns if column.name == name), None)


def open_file(path: Path) -> sqlite3.Connection:
    """Returns a connection that can change nothing."""
    return connect(path, busy_seconds=_BUSY_SECONDS, is_read_only=True)


def relations(path: Path, sample_rows: int) -> tuple[Relation, ...]:
    """Returns what there is to read, each column judged by its first rows."""
    connection = open_file(path)
    try:
        with translated(path):
            found = connection.execute(_RELATIONS).fetchall()
            return tuple(
                _relation(connection, name, sample_rows, is_table=kind == "table")
                for name, kind in found
            )
    finally:
        connection.close()


def _relation(
    connection: sqlite3.Connection, name: str, sample_rows: int, *, is_table: bool
) -> Relation:
    declared = connection.execute(
        "SELECT name, type, pk FROM pragma_table_xinfo(?, 'main') WHERE hidden <> ? ORDER BY cid",
        (name, _HIDDEN),
    ).fetchall()
    if not declared:
        raise ConfigError(
            f"{name} has no columns that can be read: a view of what is no longer there?",
            remedy=f"Drop it or mend it: DROP VIEW {quoted(name)}.",
        )
    columns = ", ".join(quoted(column) for column, _, _ in declared)
    sample = connection.execute(
        f"SELECT {columns} FROM main.{quoted(name)} LIMIT ?",  # noqa: S608 (identifiers are quoted)
        (sample_rows,),
    ).fetchall()
    values = list(zip(*sample, strict=True)) if sample else [()] * len(declared)
    keys = sorted((place, column) for column, _, place in declared if place)
    return Relation(
        name=name,
        columns=tuple(
            _column(column, type_name or "", held)
            for (column, type_name, _), held in zip(declared, values, strict=True)
        ),
        primary_key=tuple(column for _, column in keys),
        row_id=_row_id(connection, name, [c for c, _, _ in declared]) if is_table else None,
    )


def _row_id(connection: sqlite3.Connection, table: str, columns: list[str]) -> str | None:
    taken = {column.lower() for column in columns}
    free = [name for name in ("_rowid_", "rowid", "oid") if name not in taken]
    if not free:
        return None
    try:
        connection.execute(f"SELECT {free[0]} FROM main.{quoted(table)} LIMIT 0")  # noqa: S608
    except sqlite3.OperationalError as error:
        if "no such column" not in str(error):
            raise
        return None
    return free[0]


def _column(name: str, type_name: str, values: Iterable[Any]) -> RelationColumn:
    held = [value for value in values if value is not None]
    is_binary = any(isinstance(value, bytes) for value in held)
    if not held:
        kind = kind_of_type(type_name) or Kind.STRING
        is_binary = affinity(type_name) == "BLOB" and bool(type_name)
        return RelationColumn(name=name, kind=kind, is_binary=is_binary)
    for kind in _candidates(type_name):
        if all(map(_HOLDS[kind], held)):
            return RelationColumn(name=name, kind=kind, is_binary=False)
    return RelationColumn(name=name, kind=Kind.STRING, is_binary=is_binary)


def _candidates(type_name: str) -> tuple[Kind, ...]:
    """Returns kinds to try in their order: what was declared, then what values alone tell."""
    upper = type_name.upper()
    declared = kind_of_type(type_name)
    if declared is Kind.TIMESTAMP or upper.startswith(("DATETIME", "TIMESTAMP")):
        return (Kind.TIMESTAMP_TZ, Kind.TIMESTAMP, Kind.INTEGER, Kind.NUMBER)
    if upper.startswith("JSON"):
        return (Kind.JSON,) if declared is Kind.JSON else (Kind.INTEGER, Kind.NUMBER)
    if upper.startswith("BOOL"):
        return (Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER)
    if declared is Kind.STRING:
        return ()
    return (*((declared,) if declared else ()), Kind.INTEGER, Kind.NUMBER)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= 1 << 53)


def _parses(parse: Callable[[str], Any]) -> Callable[[Any], bool]:
    def accepts(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            parse(value)
        except temporal.Unfit:
            return False
        return True

    return accepts


def _is_instant(value: Any) -> bool:
    has_zone = isinstance(value, str) and ("Z" in value or "+" in value or "-" in value[11:])
    return has_zone and _parses(temporal.instant)(value)


def _is_wall_clock(value: Any) -> bool:
    return not _is_instant(value) and _parses(temporal.instant)(value)


def _is_digits(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit()


_HOLDS: Final[dict[Kind, Callable[[Any], bool]]] = {
    Kind.STRING: lambda value: isinstance(value, str),
    Kind.BOOLEAN: lambda value: value in (0, 1) and isinstance(value, int),
    Kind.INTEGER: _is_whole,
    Kind.BIG_INTEGER: _is_digits,
    Kind.NUMBER: _is_number,
    Kind.DECIMAL: _is_digits,
    Kind.DATE: _parses(temporal.date),
    Kind.TIMESTAMP_TZ: _is_instant,
    Kind.TIMESTAMP: _is_wall_clock,
    Kind.TIME: _parses(temporal.time),
    Kind.JSON: lambda value: isinstance(value, str),
}
