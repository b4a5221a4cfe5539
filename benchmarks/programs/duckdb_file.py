"""DuckDB alone loads one file into a table, types guessed or given; nothing is checked."""

from __future__ import annotations

import sys

import duckdb

_TYPES = {
    "id": "BIGINT",
    "code": "VARCHAR",
    "name": "VARCHAR",
    "village": "VARCHAR",
    "phone": "VARCHAR",
    "visit_date": "DATE",
    "amount": "DOUBLE",
    "score": "DOUBLE",
    "seen_at": "TIMESTAMPTZ",
    "is_active": "BOOLEAN",
    "age": "BIGINT",
    "note": "VARCHAR",
}

database, source, format_name, types = sys.argv[1:]
function = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[format_name]
options = f", columns = {_TYPES}" if types == "given" and format_name != "parquet" else ""
with duckdb.connect(database) as connection:
    connection.execute(f"create table visits as select * from {function}('{source}'{options})")
