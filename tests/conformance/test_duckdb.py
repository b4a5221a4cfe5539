"""DuckDB keeps every promise of a destination."""

from __future__ import annotations

from pathlib import Path

from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.testing.destination_suite import DestinationSuite


class TestDuckDB(DestinationSuite):
    destination = DuckDBDestination

    def config(self, place: Path) -> DuckDBConfig:
        return DuckDBConfig(path=str(place / "warehouse.duckdb"))

    def wrong_config(self, place: Path) -> DuckDBConfig:
        path = place / "letter.txt"
        path.write_text("not a database " * 1000)
        return DuckDBConfig(path=str(path))
