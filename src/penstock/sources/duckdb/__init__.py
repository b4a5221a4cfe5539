"""DuckDB files, and MotherDuck, as a source."""

from __future__ import annotations

from penstock.sources.duckdb.source import DuckDBSource, DuckDBSourceConfig

__all__ = ["DuckDBSource", "DuckDBSourceConfig"]
