"""Identifiers of rows for databases that make none themselves: UUIDs of version 7."""

from __future__ import annotations

import os
import time
from typing import Final

_VARIANTS: Final = "89ab"


def new_row_ids(count: int) -> list[str]:
    """Returns UUIDs of version 7 (RFC 9562 §5.7): milliseconds, and 74 random bits each."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    head = f"{moment[:8]}-{moment[8:]}-7"
    random = os.urandom(10 * count).hex()
    return [
        f"{head}{random[at : at + 3]}-{_VARIANTS[int(random[at + 3], 16) & 3]}"
        f"{random[at + 4 : at + 7]}-{random[at + 7 : at + 19]}"
        for at in range(0, 20 * count, 20)
    ]
