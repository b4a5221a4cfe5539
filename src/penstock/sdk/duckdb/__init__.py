"""DuckDB, as its source and its destination both meet it."""

from __future__ import annotations
