"""PyAirbyte reads a local executable source into its DuckDB cache, as its own guide shows."""

from __future__ import annotations

import sys

import airbyte as ab
from airbyte.caches import DuckDBCache

database, executable = sys.argv[1:]
source = ab.get_source(
    "source-bench", config={}, local_executable=executable, streams="*", install_if_missing=False
)
result = source.read(cache=DuckDBCache(db_path=database))
print(result.processed_records)
