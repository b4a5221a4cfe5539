"""What the SQLite source and destination share: connections, errors and types."""

from __future__ import annotations
