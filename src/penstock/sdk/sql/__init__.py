"""SQL destinations: one writer, one state table, and a dialect a database."""

from __future__ import annotations
