"""SQLite keeps every promise of a destination."""

from __future__ import annotations

from pathlib import Path

from penstock.destinations.sqlite import SQLiteConfig, SQLiteDestination
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.gaps import never

_MINUS_ZERO = "SQLite writes minus zero into its files as zero"


class TestSQLite(DestinationSuite):
    destination = SQLiteDestination
    gaps = (
        never(
            "test_value_comes_back_exactly",
            case="number: -0",
            reason=_MINUS_ZERO,
        ),
        never("test_all_kinds_come_back_at_once", reason=_MINUS_ZERO),
    )

    def config(self, place: Path) -> SQLiteConfig:
        return SQLiteConfig(path=str(place / "warehouse.sqlite"))

    def wrong_config(self, place: Path) -> SQLiteConfig:
        path = place / "letter.txt"
        path.write_text("not a database " * 1000)
        return SQLiteConfig(path=str(path))
