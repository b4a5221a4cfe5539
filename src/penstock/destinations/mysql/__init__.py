"""MySQL and MariaDB as a destination."""

from __future__ import annotations

from penstock.destinations.mysql.destination import MySQLConfig, MySQLDestination

__all__ = ["MySQLConfig", "MySQLDestination"]
