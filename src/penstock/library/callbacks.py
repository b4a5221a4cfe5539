"""Functions a caller may give, by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "ConfigChangeCallback",
]

ConfigChangeCallback = Callable[[dict[str, Any]], None]
"""Is told the configuration a connector asks to be kept, such as a renewed refresh token."""
