"""penstock's library reads a local executable source into a DuckDB cache, as a script would."""

from __future__ import annotations

import sys

import penstock as ab

database, executable = sys.argv[1:]
source = ab.get_source(
    "source-bench", config={}, local_executable=executable, streams="*", install_if_missing=False
)
result = source.read(cache=ab.caches.DuckDBCache(db_path=database))
print(result.processed_records)
