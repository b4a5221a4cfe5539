"""What every connector that speaks to PostgreSQL shares: address, errors, and binary COPY."""

from __future__ import annotations
