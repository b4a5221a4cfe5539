"""Iceberg tables in an SQL catalogue keep every promise of a destination."""

from __future__ import annotations

from pathlib import Path

import penstock.destinations.iceberg.writer  # noqa: F401 - loaded once, not in every killed child
from penstock.destinations.iceberg import IcebergConfig, IcebergDestination
from penstock.testing.destination_suite import DestinationSuite


class TestIceberg(DestinationSuite):
    destination = IcebergDestination

    def config(self, place: Path) -> IcebergConfig:
        lake = place / "lake"
        return IcebergConfig(
            catalog_uri=f"sqlite:///{place / 'catalog.db'}", warehouse=f"file://{lake}"
        )

    def wrong_config(self, place: Path) -> IcebergConfig:
        return IcebergConfig(
            catalog_uri=f"sqlite:///{place / 'nowhere' / 'catalog.db'}", warehouse="file:///lake"
        )
