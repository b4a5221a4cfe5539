"""DuckDB alone reads a file of Airbyte messages into a table; nothing is checked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "object": "JSON"}


def column_type(schema: dict) -> str:
    """Returns DuckDB's type for one property of a JSON Schema."""
    name = next(word for word in schema["type"] if word != "null")
    return "TIMESTAMPTZ" if schema.get("format") == "date-time" else _TYPES.get(name, "VARCHAR")


database, source, facts, times = sys.argv[1:]
properties = json.loads(Path(facts).read_text())["json_schema"]["properties"]
fields = ", ".join(f'"{name}" {column_type(schema)}' for name, schema in properties.items())
columns = f"STRUCT(stream VARCHAR, data STRUCT({fields}), emitted_at BIGINT)"
with duckdb.connect(database) as connection:
    connection.execute(
        f"""
        create table users as
        select unnest(record.data), record.emitted_at as _airbyte_emitted_at
        from read_json(
            $files, format = 'newline_delimited', maximum_object_size = 67108864,
            columns = {{'type': 'VARCHAR', 'record': '{columns}'}})
        where type = 'RECORD'
        """,
        {"files": [source] * int(times)},
    )
