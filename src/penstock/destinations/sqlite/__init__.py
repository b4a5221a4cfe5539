"""SQLite: a file that is a database, and that everything can open."""

from __future__ import annotations

from penstock.destinations.sqlite.destination import SQLiteConfig, SQLiteDestination

__all__ = ["SQLiteConfig", "SQLiteDestination"]
