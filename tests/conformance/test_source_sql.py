"""The generic SQL source keeps every promise of a source, by SQLAlchemy and by ADBC."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, ClassVar

from penstock.sources.sql import SqlSource, SqlSourceConfig
from penstock.testing.source_suite import SourceSuite


class _SqlSuite(SourceSuite):
    source = SqlSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "batch_rows": {"url": "sqlite:///x", "batch_rows": 0},
        "adbc_driver": {"url": "x", "adbc_driver": "Not A Name"},
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        "visits": {"cursor": "id", "value": str(2**60), "type": "int"}
    }


class TestByAlchemy(_SqlSuite):
    def config(self, place: Path) -> SqlSourceConfig:
        return SqlSourceConfig(url=f"sqlite:///{_made(place, 300)}", batch_rows=50)

    def empty_config(self, place: Path) -> SqlSourceConfig:
        return SqlSourceConfig(url=f"sqlite:///{_made(place, 0)}")


class TestByAdbc(_SqlSuite):
    def config(self, place: Path) -> SqlSourceConfig:
        return SqlSourceConfig(url=str(_made(place, 300)), adbc_driver="sqlite")

    def empty_config(self, place: Path) -> SqlSourceConfig:
        return SqlSourceConfig(url=str(_made(place, 0)), adbc_driver="sqlite")


def _made(place: Path, rows: int) -> Path:
    path = place / f"app{rows}.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, code TEXT, fee REAL, day TEXT, raw BLOB)"
    )
    connection.executemany(
        "INSERT INTO visits VALUES (?, ?, ?, ?, ?)",
        (
            (
                number,
                f"{number:05d} पुणे",
                number / 4 if number % 5 else None,
                f"2024-02-{1 + number % 28:02d}",
                bytes([number % 256]),
            )
            for number in range(1, rows + 1)
        ),
    )
    connection.commit()
    connection.close()
    return path
