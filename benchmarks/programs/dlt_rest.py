"""dlt's REST source loads the pages into DuckDB."""

from __future__ import annotations

import sys

import dlt
from dlt.sources.rest_api import rest_api_source

url, database, working = sys.argv[1:]
source = rest_api_source(
    {
        "client": {
            "base_url": url,
            "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
        },
        "resources": [{"name": "users", "endpoint": {"path": "users", "data_selector": "items"}}],
    }
)
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=working,
    destination=dlt.destinations.duckdb(database),
    dataset_name="bench",
)
pipeline.run(source, write_disposition="replace")
