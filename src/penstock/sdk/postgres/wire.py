"""How PostgreSQL's binary COPY spells values: epochs, limits and the digits of a numeric.

Source: PostgreSQL 15 documentation, "COPY", Binary Format, and the send and receive functions
of each type (`src/backend/utils/adt`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""Begins every stream: eleven bytes, no flags, no header extension."""
TRAILER: Final = b"\xff\xff"

EPOCH_DAYS: Final = 10_957
"""Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts."""
EPOCH_MICROS: Final = EPOCH_DAYS * 86_400_000_000

FIRST_DAY: Final = -2_440_588
"""4713-11-24 BC (Gregorian), in days since 1970: the first day of dates and timestamps."""
END_DAY: Final = 2_145_042_906
"""The day after the last of a date; timestamps end later than 64 bits of microseconds do."""
FIRST_MICRO: Final = FIRST_DAY * 86_400_000_000
DAY_MICROS: Final = 86_400_000_000

NUMERIC_POSITIVE: Final = 0x0000
NUMERIC_NEGATIVE: Final = 0x4000
NUMERIC_NAN: Final = 0xC000
NUMERIC_INFINITY: Final = 0xD000
NUMERIC_MINUS_INFINITY: Final = 0xF000

_BASE: Final = np.uint64(10_000)
_GROUP_DIGITS: Final = 4
_LIMB_BITS: Final = np.uint64(32)
_LIMB_MASK: Final = np.uint64(0xFFFFFFFF)

_HEX: Final = np.frombuffer(
    b"".join(f"{byte:02x}".encode() for byte in range(256)), np.uint8
).reshape(256, 2)
_UUID_PARTS: Final = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))

Numbers = np.ndarray[Any, Any]


def uuid_texts(raw: Numbers) -> pa.Array:
    """Returns rows of sixteen bytes as the text of UUIDs."""
    count = len(raw)
    digits = _HEX[raw].reshape(count, 32)
    text = np.full((count, 36), ord("-"), np.uint8)
    place = 0
    for begin, end in _UUID_PARTS:
        text[:, place : place + end - begin] = digits[:, begin:end]
        place += end - begin + 1
    ends = np.arange(0, 36 * count + 1, 36, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(text.reshape(-1))]
    return pa.Array.from_buffers(pa.string(), count, buffers)


def numeric_block(array: pa.Array) -> Numbers:
    """Returns a decimal128 array as numerics, one row of equally many bytes a value.

    What stands at a null is void. Leading and trailing groups of zeros are allowed: the server
    strips them.
    """
    scale: int = array.type.scale
    places = -(-scale // _GROUP_DIGITS)
    limbs, is_negative = _magnitudes(array)
    shift = np.uint64(10 ** (places * _GROUP_DIGITS - scale))
    limbs = _multiplied(limbs, shift)
    groups = _groups(limbs, at_least=places)
    count = groups.shape[1]
    header = np.empty((len(array), 4), ">u2")
    header[:, 0] = count
    header[:, 1] = np.uint16((count - places - 1) & 0xFFFF)
    header[:, 2] = np.where(is_negative, NUMERIC_NEGATIVE, NUMERIC_POSITIVE)
    header[:, 3] = scale
    return np.concatenate((header.view(np.uint8), groups.astype(">u2").view(np.uint8)), axis=1)


def _magnitudes(array: pa.Array) -> tuple[list[Numbers], Numbers]:
    """Returns the absolute values as 32-bit limbs, the least first, and which are negative."""
    raw = np.frombuffer(array.buffers()[1] or b"", np.uint64)
    low, high = raw.reshape(-1, 2)[array.offset : array.offset + len(array)].T
    is_negative = high.view(np.int64) < 0
    flipped_low, flipped_high = ~low + np.uint64(1), ~high + (low == 0).astype(np.uint64)
    low = np.where(is_negative, flipped_low, low)
    high = np.where(is_negative, flipped_high, high)
    limbs = [low & _LIMB_MASK, low >> _LIMB_BITS, high & _LIMB_MASK, high >> _LIMB_BITS]
    while len(limbs) > 1 and not limbs[-1].any():
        limbs.pop()
    return limbs, is_negative


def _multiplied(limbs: list[Numbers], factor: np.uint64) -> list[Numbers]:
    if factor == 1:
        return limbs
    result, carry = [], np.zeros_like(limbs[0])
    for limb in limbs:
        product = limb * factor + carry
        result.append(product & _LIMB_MASK)
        carry = product >> _LIMB_BITS
    return [*result, carry]


def _groups(limbs: list[Numbers], *, at_least: int) -> Numbers:
    """Returns the digits in base 10,000, the most significant group first."""
    groups: list[Numbers] = []
    while limbs or len(groups) <= at_least:
        remainder = np.zeros_like(limbs[0]) if limbs else np.zeros_like(groups[0])
        for place in reversed(range(len(limbs))):
            whole = (remainder << _LIMB_BITS) | limbs[place]
            limbs[place] = whole // _BASE
            remainder = whole % _BASE
        while limbs and not limbs[-1].any():
            limbs.pop()
        groups.append(remainder)
    return np.stack(groups[::-1], axis=1)


def decimals_of(groups: Numbers, scale: int, negative: Numbers) -> tuple[Numbers, Numbers]:
    """Returns the low and high halves of decimal128 values of a scale.

    `groups` holds base 10,000 digits, the last of them the group in which the scale ends.
    """
    places = -(-scale // _GROUP_DIGITS)
    cut = np.uint64(10 ** (places * _GROUP_DIGITS - scale))
    limbs = [np.zeros(len(groups), np.uint64)]
    last = groups.shape[1] - 1
    for place in range(last + 1):
        digits = groups[:, place].astype(np.uint64)
        is_cut = place == last and scale > 0
        factor = _BASE // cut if is_cut else _BASE
        limbs = _multiplied_and_added(limbs, factor, digits // cut if is_cut else digits)
    limbs += [np.zeros_like(limbs[0])] * (4 - len(limbs))
    low = limbs[0] | (limbs[1] << _LIMB_BITS)
    high = limbs[2] | (limbs[3] << _LIMB_BITS)
    flipped_high = ~high + (low == 0).astype(np.uint64)
    return np.where(negative, ~low + np.uint64(1), low), np.where(negative, flipped_high, high)


def _multiplied_and_added(
    limbs: list[Numbers], factor: np.uint64, digits: Numbers
) -> list[Numbers]:
    result, carry = [], digits
    for limb in limbs:
        product = limb * factor + carry
        result.append(product & _LIMB_MASK)
        carry = product >> _LIMB_BITS
    return [*result, carry] if carry.any() else result
