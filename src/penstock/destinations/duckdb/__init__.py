"""DuckDB: a file that is a database."""

from __future__ import annotations

from penstock.destinations.duckdb.destination import DuckDBConfig, DuckDBDestination

__all__ = ["DuckDBConfig", "DuckDBDestination"]
