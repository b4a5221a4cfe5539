"""dlt loads one table of a database elsewhere through connectorx, its fastest reader."""

from __future__ import annotations

import sys

import dlt
from dlt.sources.sql_database import sql_table

url, schema, table, kind, target, working = sys.argv[1:]
makers = {
    "duckdb": dlt.destinations.duckdb,
    "postgres": dlt.destinations.postgres,
    "parquet": dlt.destinations.filesystem,
}
rows = sql_table(
    credentials=url, schema=schema, table=table, backend="connectorx", reflection_level="full"
)
pipeline = dlt.pipeline(
    "bench", pipelines_dir=working, destination=makers[kind](target), dataset_name=schema
)
pipeline.run(
    rows,
    write_disposition="replace",
    loader_file_format="parquet" if kind == "parquet" else None,
)
