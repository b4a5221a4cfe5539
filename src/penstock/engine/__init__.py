"""Runs one sync."""

from __future__ import annotations
