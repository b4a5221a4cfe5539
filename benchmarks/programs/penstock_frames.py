"""penstock's library hands out a cached table, so often, as an Arrow table or a pandas frame."""

from __future__ import annotations

import sys

import penstock as ab

database, form, times = sys.argv[1:]
dataset = ab.caches.DuckDBCache(db_path=database)["users"]
for _ in range(int(times)):
    found = dataset.to_arrow().to_table() if form == "arrow" else dataset.to_pandas()
    print(len(found))
