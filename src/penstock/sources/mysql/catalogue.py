"""What a server has to read: its tables and views, their columns and keys, as this user sees them.

| type                                        | kind         | as                              |
|---------------------------------------------|--------------|---------------------------------|
| tinyint(1), bit(1)                          | BOOLEAN      | INTEGER if wished               |
| other integers, year                        | INTEGER      |                                 |
| bigint unsigned                             | BIG_INTEGER  |                                 |
| decimal(p,0), p ≤ 38                        | BIG_INTEGER  |                                 |
| decimal(p,s), s ≤ 9, p - s ≤ 29             | DECIMAL      |                                 |
| other decimals                              | STRING       | all digits                      |
| float, double                               | NUMBER       | the double of the same value    |
| date, time, datetime                        | their own    |                                 |
| timestamp                                   | TIMESTAMP_TZ |                                 |
| char, varchar, text, enum, set              | STRING       |                                 |
| binary, varbinary, blob, bit(n)             | STRING       | base64                          |
| json                                        | JSON         | its text                        |
| geometry and its kin                        | STRING       | well-known text                 |
| any other: uuid, inet6                      | STRING       | the server's own text           |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.data.names import OWN_TABLES, STAGING_COMMENT
from penstock.data.types import Kind, kind_of_decimal
from penstock.errors import ConfigError
from penstock.sdk.mysql.connection import Connection, identifier, is_mariadb, rows_of
from penstock.sdk.mysql.rows_out import Form, OutColumn

_SYSTEM: Final = ("information_schema", "mysql", "performance_schema", "sys")

_TABLES: Final = """
SELECT table_schema, table_name, table_type, coalesce(table_comment, '')
  FROM information_schema.tables WHERE table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')
   AND {schemas} ORDER BY table_schema, table_name"""

_COLUMNS: Final = """
SELECT table_schema, table_name, column_name, data_type, column_type, numeric_precision,
       numeric_scale FROM information_schema.columns
 WHERE {schemas} ORDER BY table_schema, table_name, ordinal_position"""

_KEYS: Final = """
SELECT table_schema, table_name, column_name FROM information_schema.key_column_usage
 WHERE constraint_name = 'PRIMARY' AND {schemas}
 ORDER BY table_schema, table_name, ordinal_position"""

_CHECKS: Final = """
SELECT constraint_schema, table_name, check_clause FROM information_schema.check_constraints
 WHERE check_clause LIKE 'json_valid(%%' AND {schemas}"""
"""MariaDB's json is longtext with this check."""

_INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
_BYTES: Final = frozenset(
    {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"}
)
_TEXTS: Final = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
)
_SPATIAL: Final = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
_TIMES: Final = {
    "date": Kind.DATE,
    "time": Kind.TIME,
    "datetime": Kind.TIMESTAMP,
    "timestamp": Kind.TIMESTAMP_TZ,
}
_ORDERED: Final = frozenset(
    {*_INTEGERS, *_TIMES, "decimal", "char", "varchar", "binary", "varbinary"}
)
"""Types whose values compare with their own text as they are ordered: an enum does not."""


_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_HEXADECIMAL: Final = re.compile(r"([0-9a-f]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column: how it is written, the SQL that asks for it, and its type."""

    out: OutColumn
    asked: str
    data_type: str
    column_type: str

    @property
    def name(self) -> str:
        return self.out.name

    @property
    def is_ordered(self) -> bool:
        """Tells whether `column > literal` follows ORDER BY."""
        return self.data_type in _ORDERED

    def literal(self, text: str) -> str:
        """Returns a value of this column, given as its text, as SQL."""
        is_number = self.data_type in _INTEGERS or self.data_type == "decimal"
        pattern = _NUMBER if is_number else _HEXADECIMAL
        if (is_number or self.out.form is Form.BYTES) and not pattern.fullmatch(text):
            raise ConfigError(
                f"{text[:40]!r} in a state is no value of column {self.name}.",
                remedy="Reset the stream's state (`penstock state reset`).",
            )
        if is_number:
            return text
        if self.out.form is Form.BYTES:
            return f"x'{text}'"
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table or view that this user may read."""

    schema: str
    name: str
    is_view: bool
    columns: tuple[TableColumn, ...]
    primary_key: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        return identifier(self.schema, self.name)

    @property
    def is_logged(self) -> bool:
        """Tells whether the log says which row every change is of."""
        return not self.is_view and bool(self.primary_key)

    @property
    def key(self) -> tuple[TableColumn, ...]:
        """The columns by which rows can be read in ranges; none where they cannot."""
        found = [self.column(name) for name in self.primary_key]
        key = tuple(column for column in found if column is not None)
        return key if all(column.is_ordered for column in key) else ()

    def column(self, name: str) -> TableColumn | None:
        return next((column for column in self.columns if column.name == name), None)


def tables(connection: Connection, schemas: Sequence[str], *, tiny_as: Kind) -> tuple[Table, ...]:
    """Returns the tables and views of some databases, or of all but the system's."""
    columns: dict[tuple[str, str], list[TableColumn]] = {}
    json_columns = _json_columns(connection, schemas)
    for schema, name, column, *about in _rows(connection, _COLUMNS, schemas):
        is_json = (schema, name, column) in json_columns
        made = _column(column, *about, is_json=is_json, tiny_as=tiny_as)
        columns.setdefault((schema, name), []).append(made)
    keys: dict[tuple[str, str], list[str]] = {}
    for schema, name, column in _rows(connection, _KEYS, schemas):
        keys.setdefault((schema, name), []).append(column)
    return tuple(
        Table(
            schema=schema,
            name=name,
            is_view=kind == "VIEW",
            columns=tuple(columns[schema, name]),
            primary_key=_readable(keys.get((schema, name), []), columns[schema, name]),
        )
        for schema, name, kind, comment in _rows(connection, _TABLES, schemas)
        if columns.get((schema, name)) and not _is_our_own(name, comment)
    )


def _is_our_own(name: str, comment: str) -> bool:
    """Tells whether penstock keeps the table for itself, or has not published its rows yet."""
    return name.startswith(OWN_TABLES) or comment.startswith(STAGING_COMMENT)


def missing_schemas(connection: Connection, schemas: Sequence[str]) -> list[str]:
    """Returns those of the databases that are not there or that this user may not see."""
    found = {name for (name,) in rows_of(connection, "SHOW DATABASES")}
    return [name for name in schemas if name not in found]


def _rows(connection: Connection, query: str, schemas: Sequence[str]) -> list[tuple[Any, ...]]:
    name = "constraint_schema" if "check_clause" in query else "table_schema"
    names = list(schemas) or list(_SYSTEM)
    marks = ", ".join(["%s"] * len(names))
    condition = f"{name} {'IN' if schemas else 'NOT IN'} ({marks})"
    rows = rows_of(connection, query.format(schemas=condition), names)
    return [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: Any) -> Any:
    """Returns a word of the catalogue; MySQL 8 gives some of them as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _json_columns(connection: Connection, schemas: Sequence[str]) -> set[tuple[str, str, str]]:
    if not is_mariadb(connection):
        return set()
    found = set()
    for schema, table, clause in _rows(connection, _CHECKS, schemas):
        whole = re.fullmatch(r"json_valid\(`(.+)`\)", clause)
        if whole is not None:
            found.add((schema, table, whole[1].replace("``", "`")))
    return found


def _column(
    name: str,
    data_type: str,
    column_type: str,
    digits: int | None,
    places: int | None,
    *,
    is_json: bool,
    tiny_as: Kind,
) -> TableColumn:
    asked, kind, form = identifier(name), Kind.STRING, Form.TEXT
    is_flag = column_type.startswith("tinyint(1)") or column_type == "bit(1)"
    if is_flag and tiny_as is Kind.BOOLEAN:
        kind, form = Kind.BOOLEAN, Form.FLAG
        asked = f"({asked} + 0)" if data_type == "bit" else asked
    elif column_type == "bit(1)":
        asked, kind = f"({asked} + 0)", Kind.INTEGER
    elif data_type in _INTEGERS:
        is_wide = data_type == "bigint" and "unsigned" in column_type
        kind = Kind.BIG_INTEGER if is_wide else Kind.INTEGER
    elif data_type == "decimal":
        kind = kind_of_decimal(int(digits or 0), int(places or 0))
    elif data_type in ("float", "double"):
        # Of a float, the server writes six digits only.
        asked, kind = f"({asked} + 0e0)", Kind.NUMBER
    elif data_type in _TIMES:
        kind = _TIMES[data_type]
    elif data_type == "json" or is_json:
        kind = Kind.JSON
    elif data_type in _BYTES:
        form = Form.BYTES
    elif data_type in _SPATIAL:
        asked = f"ST_AsText({asked})"
    elif data_type not in _TEXTS:
        asked = f"CAST({asked} AS CHAR)"
    return TableColumn(
        out=OutColumn(name=name, kind=kind, form=form),
        asked=asked,
        data_type=data_type,
        column_type=column_type,
    )


def _readable(key: Sequence[str], columns: Sequence[TableColumn]) -> tuple[str, ...]:
    """Returns a key, or none when this user may not read a part of it."""
    names = {column.name for column in columns}
    return tuple(key) if names.issuperset(key) else ()
