"""Decides what runs when; never sees a record."""

from __future__ import annotations
