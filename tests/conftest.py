"""Fixtures of every folder: the real servers, started when the first test asks for one."""

from __future__ import annotations

from tests.servers.postgres import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]
