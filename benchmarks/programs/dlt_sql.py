"""dlt loads one table of PostgreSQL into DuckDB through connectorx, its fastest reader."""

from __future__ import annotations

import sys

import dlt
from dlt.sources.sql_database import sql_table

url, schema, table, database, working = sys.argv[1:]
rows = sql_table(
    credentials=url, schema=schema, table=table, backend="connectorx", reflection_level="full"
)
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=working,
    destination=dlt.destinations.duckdb(database),
    dataset_name="bench",
)
pipeline.run(rows, write_disposition="replace")
