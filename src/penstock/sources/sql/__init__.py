"""Any database that SQLAlchemy or an ADBC driver reads, as a source."""

from __future__ import annotations

from penstock.sources.sql.source import SqlSource, SqlSourceConfig

__all__ = ["SqlSource", "SqlSourceConfig"]
