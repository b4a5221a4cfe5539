"""The DuckDB source keeps every promise of a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import duckdb

from penstock.sources.duckdb import DuckDBSource, DuckDBSourceConfig
from penstock.testing.source_suite import SourceSuite

_VISITS = """
CREATE TABLE visits (
    id BIGINT PRIMARY KEY, code VARCHAR, amount DECIMAL(12,2), wide DECIMAL(38,20), total HUGEINT,
    share DOUBLE, little FLOAT, is_new BOOLEAN, day DATE, "at" TIMESTAMPTZ, local TIMESTAMP,
    fine TIMESTAMP_NS, hour TIME, length INTERVAL, colour ENUM('red', 'green'), token UUID,
    raw BLOB, tags VARCHAR[], extra JSON, shape STRUCT(a INTEGER, b DATE), bits BIT)
"""
_ROWS = """
INSERT INTO visits
SELECT i, lpad(i::VARCHAR, 5, '0'), i / 100, i / 7, i::HUGEINT * 1000000000000000000000,
       i / 4, i / 3, i % 3 = 0, DATE '2024-02-01' + (i % 28)::INTEGER,
       TIMESTAMPTZ '2024-02-29 12:00+05:30' + to_seconds(i),
       TIMESTAMP '2024-02-29 12:00' + to_microseconds(i),
       '2024-02-29 12:00'::TIMESTAMP_NS, TIME '00:00' + to_seconds(i), to_days(i::INTEGER),
       if(i % 2 = 0, 'red', 'green'), md5(i::VARCHAR)::UUID, encode('पुणे' || i),
       [i::VARCHAR, NULL, 'पुणे'], json_object('i', i), {'a': i, 'b': DATE '2024-02-29'}, '101'::BIT
  FROM range(1, ? + 1) AS r(i)
"""
_NOTES = "CREATE TABLE notes (part VARCHAR, n INTEGER, note VARCHAR, PRIMARY KEY (part, n))"
_NOTE_ROWS = (
    "INSERT INTO notes SELECT 'it''s ' || i % 3, i, if(i % 5 > 0, repeat('x', i), NULL)"
    " FROM range(?) AS r(i)"
)


class TestDuckDBSource(SourceSuite):
    source = DuckDBSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "state_rows": {"path": "x.duckdb", "state_rows": 0},
        "schemas": {"path": "x.duckdb", "schemas": "all"},
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        "visits": {"columns": ["id"], "values": [str(2**60)], "digest": None}
    }

    def config(self, place: Path) -> DuckDBSourceConfig:
        return _made(place / "app.duckdb", 300)

    def empty_config(self, place: Path) -> DuckDBSourceConfig:
        return _made(place / "empty.duckdb", 0)


def _made(path: Path, rows: int) -> DuckDBSourceConfig:
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_VISITS)
        connection.execute(_ROWS, [rows])
        connection.execute(_NOTES)
        connection.execute(_NOTE_ROWS, [rows])
    return DuckDBSourceConfig(path=str(path), state_rows=50)
