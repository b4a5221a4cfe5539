"""What a database has to read: its tables and views, their columns and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from penstock.data.names import OWN_TABLES, STAGING_COMMENT
from penstock.sdk.duckdb.names import quoted
from penstock.sources.duckdb.columns import SourceColumn, column_of

DEFAULT_SCHEMA: Final = "main"

_RELATIONS: Final = """
SELECT schema_name, table_name, true FROM duckdb_tables()
 WHERE database_name = current_database() AND NOT internal AND NOT temporary
   AND NOT starts_with(table_name, ?) AND NOT starts_with(coalesce(comment, ''), ?)
 UNION ALL
SELECT schema_name, view_name, false FROM duckdb_views()
 WHERE database_name = current_database() AND NOT internal AND NOT temporary
 ORDER BY 1, 2"""

_COLUMNS: Final = """
SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()
 WHERE database_name = current_database() AND NOT internal
 ORDER BY schema_name, table_name, column_index"""

_KEYS: Final = """
SELECT schema_name, table_name, constraint_column_names FROM duckdb_constraints()
 WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One table or view."""

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    is_table: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def column(self, name: str) -> SourceColumn | None:
        return next((column for column in self.columns if column.name == name), None)


def relations(
    connection: duckdb.DuckDBPyConnection, schemas: Sequence[str]
) -> tuple[Relation, ...]:
    """Returns the tables and views of some schemas, or of all; not what penstock keeps there."""
    columns: dict[tuple[str, str], list[SourceColumn]] = {}
    for schema, table, name, type_name in connection.execute(_COLUMNS).fetchall():
        columns.setdefault((schema, table), []).append(column_of(name, type_name))
    keys = {
        (schema, table): tuple(names)
        for schema, table, names in connection.execute(_KEYS).fetchall()
    }
    found = connection.execute(_RELATIONS, [OWN_TABLES, STAGING_COMMENT]).fetchall()
    return tuple(
        Relation(
            schema=schema,
            name=name,
            columns=tuple(columns[schema, name]),
            primary_key=keys.get((schema, name), ()),
            is_table=is_table,
        )
        for schema, name, is_table in found
        if (not schemas or schema in schemas) and (schema, name) in columns
    )


def schemas_of(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Returns the schemas there are."""
    query = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database()"
    return frozenset(name for (name,) in connection.execute(query).fetchall())
