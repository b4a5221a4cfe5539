"""Identifiers of rows for databases that make none themselves: UUIDs of version 7."""

from __future__ import annotations

import secrets
import time
from typing import Final

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62
_RANDOM_BITS: Final = 61
"""Of the last 62, so that counting from there on cannot reach the variant."""


def first_row_id() -> int:
    """Returns a UUID of version 7 as a number; the next 2^61 numbers are such UUIDs, too.

    Milliseconds, 73 random bits, and for the rows of one batch a counter on top of them
    (RFC 9562 §6.2, method 2): in order, and quicker to make and to compress than random ones.
    """
    moment = (time.time_ns() // 1_000_000) << 80
    before, after = secrets.randbits(12) << 64, secrets.randbits(_RANDOM_BITS)
    return moment | _VERSION | before | _VARIANT | after


def new_row_ids(count: int) -> list[str]:
    """Returns UUIDs of version 7 (RFC 9562 §5.7), counted from a random one."""
    first, low = divmod(first_row_id(), 1 << 64)
    text = f"{first:016x}"
    head = f"{text[:8]}-{text[8:12]}-{text[12:]}"
    tails = (f"{number:016x}" for number in range(low, low + count))
    return [f"{head}-{tail[:4]}-{tail[4:]}" for tail in tails]
