"""Shows the first rows of every table in a DuckDB file."""

from __future__ import annotations

import sys

import duckdb

INTERNAL = ("_airbyte_", "_penstock_")


def main(path: str, limit: int = 3) -> None:
    """Prints name, row count and first rows of every table that holds a stream."""
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' ORDER BY ALL"
        ).fetchall()
        for schema, name in tables:
            if name.startswith(INTERNAL):
                continue
            relation = connection.sql(f'SELECT * FROM "{schema}"."{name}"')
            shown = [column for column in relation.columns if not column.startswith(INTERNAL)]
            print(f"\n{schema}.{name}: {relation.count('*').fetchone()[0]:,} rows")
            relation.select(*shown[:7]).limit(limit).show(max_width=100, max_col_width=24)


if __name__ == "__main__":
    main(sys.argv[1])
