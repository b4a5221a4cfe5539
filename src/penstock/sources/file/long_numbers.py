"""Finds, at the disk's speed, whether a text may hold a number with more digits than a double."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 256 << 10
"""Small enough for the processor's cache."""
_RUN: Final = 19
"""Eighteen significant digits and a dot: one digit more than any double needs."""
_AS_ZEROS: Final = bytes(ord("0") if byte in b"0123456789." else ord(" ") for byte in range(256))


def may_hold_long_numbers(path: Path) -> bool:
    """Returns False only when no run of 19 digits and dots is in the file."""
    run = b"0" * _RUN
    carry = b""
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK_BYTES):
            text = carry + block.translate(_AS_ZEROS)
            if run in text:
                return True
            carry = text[1 - _RUN :]
    return False
