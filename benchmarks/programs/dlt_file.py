"""dlt loads one file into DuckDB by the fastest of its own readers for the format."""

from __future__ import annotations

import sys
from pathlib import Path

import dlt
from dlt.sources.filesystem import readers

database, source, format_name, working = sys.argv[1:]
path = Path(source)
files = readers(bucket_url=path.parent.as_uri(), file_glob=path.name)
match format_name:
    case "csv":
        rows = files.read_csv_duckdb(chunk_size=100_000, use_pyarrow=True)
    case "jsonl":
        rows = files.read_jsonl(chunksize=10_000)
    case _:
        rows = files.read_parquet(chunksize=100_000, use_pyarrow=True)
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=working,
    destination=dlt.destinations.duckdb(database),
    dataset_name="bench",
)
pipeline.run(rows.with_name("visits"), write_disposition="replace")
