"""Apache Iceberg: tables in an SQL or REST catalogue."""

from __future__ import annotations

from penstock.destinations.iceberg.config import IcebergConfig
from penstock.destinations.iceberg.destination import IcebergDestination

__all__ = ["IcebergConfig", "IcebergDestination"]
