"""Delta Lake: tables that Spark, Databricks, DuckDB, Trino and others read."""

from __future__ import annotations

from penstock.destinations.delta.config import DeltaConfig
from penstock.destinations.delta.destination import DeltaDestination

__all__ = ["DeltaConfig", "DeltaDestination"]
