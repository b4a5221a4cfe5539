"""Rows, types and names."""

from __future__ import annotations
