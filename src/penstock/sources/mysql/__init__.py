"""MySQL and MariaDB as a source."""

from __future__ import annotations

from penstock.sources.mysql.source import MySQLSource, MySQLSourceConfig

__all__ = ["MySQLSource", "MySQLSourceConfig"]
