"""SQLite files as a source."""

from __future__ import annotations

from penstock.sources.sqlite.source import SQLiteSource, SQLiteSourceConfig

__all__ = ["SQLiteSource", "SQLiteSourceConfig"]
