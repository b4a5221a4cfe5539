"""Ways to run a connector, all giving the same items."""

from __future__ import annotations
