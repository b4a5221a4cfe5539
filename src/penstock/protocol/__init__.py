"""The Airbyte protocol as data; no I/O."""

from __future__ import annotations
