"""Suites that prove a connector keeps its contract, and the tools they are made of."""

from __future__ import annotations
