"""penstock's library reads a local executable source into a cache in PostgreSQL."""

from __future__ import annotations

import json
import os
import sys

import penstock as ab

settings, executable = json.loads(sys.argv[1]), sys.argv[2]
source = ab.get_source(
    "source-bench", config={}, local_executable=executable, streams="*", install_if_missing=False
)
cache = ab.caches.PostgresCache(**settings, password=os.environ["BENCH_PASSWORD"])
print(source.read(cache=cache).processed_records)
