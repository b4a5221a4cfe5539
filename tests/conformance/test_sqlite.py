"""SQLite keeps every promise of a destination."""

from __future__ import annotations

from pathlib import Path

from penstock.destinations.sqlite import SQLiteConfig, SQLiteDestination
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.known_gaps import KNOWN_GAPS


class TestSQLite(DestinationSuite):
    destination = SQLiteDestination
    gaps = KNOWN_GAPS["destination-sqlite"]

    def config(self, place: Path) -> SQLiteConfig:
        return SQLiteConfig(path=str(place / "warehouse.sqlite"))

    def wrong_config(self, place: Path) -> SQLiteConfig:
        path = place / "letter.txt"
        path.write_text("not a database " * 1000)
        return SQLiteConfig(path=str(path))
