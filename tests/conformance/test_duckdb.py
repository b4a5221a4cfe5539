"""DuckDB keeps the destination contract."""

from __future__ import annotations

from pathlib import Path

from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.testing.destination_suite import DestinationSuite


class TestDuckDB(DestinationSuite):
    destination = DuckDBDestination

    def config(self, place: Path) -> DuckDBConfig:
        return DuckDBConfig(path=str(place / "warehouse.duckdb"))
