"""What the suites try, as data."""

from __future__ import annotations
