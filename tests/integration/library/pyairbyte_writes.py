"""PyAirbyte itself reads a source into one of its caches; run by the Python of its own venv."""

from __future__ import annotations

import json
import sys

import airbyte as ab
from airbyte import caches

executable, source_config, kind, cache_config = sys.argv[1:]
source = ab.get_source(
    "source-replayed",
    config=json.loads(source_config),
    local_executable=executable,
    streams="*",
    install_if_missing=False,
)
result = source.read(cache=getattr(caches, kind)(**json.loads(cache_config)))
print(result.processed_records)
