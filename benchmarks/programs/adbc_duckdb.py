"""ADBC reads a table of PostgreSQL, DuckDB stores the Arrow batches: nothing else is done."""

from __future__ import annotations

import sys

import adbc_driver_postgresql.dbapi
import duckdb

url, table, database = sys.argv[1:]
with (
    adbc_driver_postgresql.dbapi.connect(url) as source,
    source.cursor() as cursor,
    duckdb.connect(database) as target,
):
    cursor.execute(f"SELECT * FROM {table}")
    rows = cursor.fetch_record_batch()
    target.execute("CREATE TABLE visits AS SELECT * FROM rows")
