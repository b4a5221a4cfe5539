"""Iceberg tables in an SQL catalogue keep every promise of a destination."""

from __future__ import annotations

from pathlib import Path

from penstock.destinations.iceberg import IcebergConfig, IcebergDestination
from penstock.testing.destination_suite import DestinationSuite


class TestIceberg(DestinationSuite):
    destination = IcebergDestination
    loaded_once = (
        "penstock.destinations.iceberg.writer",
        "pyiceberg.catalog.sql",
        "pyiceberg.io.pyarrow",
    )

    def config(self, place: Path) -> IcebergConfig:
        lake = place / "lake"
        return IcebergConfig(
            catalog_uri=f"sqlite:///{place / 'catalog.db'}", warehouse=f"file://{lake}"
        )

    def wrong_config(self, place: Path) -> IcebergConfig:
        return IcebergConfig(
            catalog_uri=f"sqlite:///{place / 'nowhere' / 'catalog.db'}", warehouse="file:///lake"
        )
