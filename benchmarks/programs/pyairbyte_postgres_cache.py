"""PyAirbyte reads a local executable source into its cache in PostgreSQL."""

from __future__ import annotations

import json
import os
import sys

import airbyte as ab
from airbyte.caches import PostgresCache

settings, executable = json.loads(sys.argv[1]), sys.argv[2]
source = ab.get_source(
    "source-bench", config={}, local_executable=executable, streams="*", install_if_missing=False
)
cache = PostgresCache(**settings, password=os.environ["BENCH_PASSWORD"])
print(source.read(cache=cache).processed_records)
