"""Files for connectors: listing, staging, formats."""

from __future__ import annotations
