"""PostgreSQL as a source."""

from __future__ import annotations

from penstock.sources.postgres.source import PostgresSource, PostgresSourceConfig

__all__ = ["PostgresSource", "PostgresSourceConfig"]
