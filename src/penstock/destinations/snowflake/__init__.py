"""Snowflake as a destination."""

from __future__ import annotations

from penstock.destinations.snowflake.destination import SnowflakeConfig, SnowflakeDestination

__all__ = ["SnowflakeConfig", "SnowflakeDestination"]
