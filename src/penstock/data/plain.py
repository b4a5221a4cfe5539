"""Values as JSON that no client can round: what is exact stays exact."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

_EXACT: Final = 2**53 - 1
"""JavaScript reads larger integers as doubles (RFC 8259 §6)."""


def plain(value: Any) -> Any:
    """Returns a value as JSON: instants, decimals and integers beyond 2^53 as texts."""
    found: Any
    match value:
        case None | bool() | str():
            found = value
        case int():
            found = value if -_EXACT <= value <= _EXACT else str(value)
        case float():
            found = value if math.isfinite(value) else str(value)
        case bytes():
            found = base64.b64encode(value).decode()
        case dt.datetime() | dt.date() | dt.time():
            found = value.isoformat()
        case Mapping():
            found = {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            found = [plain(inner) for inner in value]
        case _:
            found = str(value)
    return found
