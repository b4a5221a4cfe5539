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
            table = f'"{schema}"."{name}"'
            ((rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
            columns = connection.execute(f"SELECT * FROM {table} LIMIT 0").description or []
            shown = [f'"{column[0]}"' for column in columns if not column[0].startswith(INTERNAL)]
            print(f"\n{schema}.{name}: {rows:,} rows, {len(shown)} columns")
            print(connection.sql(f"SELECT {', '.join(shown[:6])} FROM {table} LIMIT {limit}"))


if __name__ == "__main__":
    main(sys.argv[1])
