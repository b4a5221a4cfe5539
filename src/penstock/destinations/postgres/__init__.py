"""PostgreSQL as a destination."""

from __future__ import annotations

from penstock.destinations.postgres.destination import PostgresConfig, PostgresDestination

__all__ = ["PostgresConfig", "PostgresDestination"]
