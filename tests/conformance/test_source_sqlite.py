"""The SQLite source keeps every promise of a source."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, ClassVar

from penstock.sources.sqlite import SQLiteSource, SQLiteSourceConfig
from penstock.testing.source_suite import SourceSuite


class TestSQLiteSource(SourceSuite):
    source = SQLiteSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "sample_rows": {"path": "x.sqlite", "sample_rows": -1}
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        "visits": {"row": 2**60, "cursor": None, "value": None}
    }

    def config(self, place: Path) -> SQLiteSourceConfig:
        return _made(place / "app.sqlite", 300)

    def empty_config(self, place: Path) -> SQLiteSourceConfig:
        return _made(place / "empty.sqlite", 0)


def _made(path: Path, rows: int) -> SQLiteSourceConfig:
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, code TEXT, fee REAL, day DATE, at DATETIME,"
        " is_new BOOLEAN, raw BLOB, anything)"
    )
    connection.executemany(
        "INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                number,
                f"{number:05d}",
                number / 4,
                f"2024-02-{1 + number % 28:02d}",
                f"2024-02-29T12:00:{number % 60:02d}Z",
                number % 2,
                bytes([number % 256]),
                number if number % 2 else f"पुणे {number}",
            )
            for number in range(1, rows + 1)
        ),
    )
    connection.execute("CREATE TABLE notes (word TEXT PRIMARY KEY, note) WITHOUT ROWID")
    connection.executemany(
        "INSERT INTO notes VALUES (?, ?)", ((f"w{n:04d}", n or None) for n in range(rows))
    )
    connection.commit()
    connection.close()
    return SQLiteSourceConfig(path=str(path), state_rows=50)
