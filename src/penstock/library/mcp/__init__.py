"""An MCP server: what an assistant may ask of configured sources and caches."""

from __future__ import annotations
