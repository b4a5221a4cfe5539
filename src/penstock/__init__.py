"""Moves data from any API, database or file into any warehouse, and proves that it arrived."""

from __future__ import annotations

__version__ = "0.1.0"
