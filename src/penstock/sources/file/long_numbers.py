"""Finds, at the disk's speed, whether a text may hold a number with more digits than a double."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

_BLOCK_BYTES: Final = 8 << 20
_RUN: Final = 19
"""Eighteen significant digits and a dot: one digit more than any double needs."""
_STEP: Final = 9
"""Of every run of 19, two neighbouring samples at this step are part."""
_PADDING: Final = b" " * _RUN

_IS_DIGIT: Final = np.zeros(256, dtype=bool)
_IS_DIGIT[ord("0") : ord("9") + 1] = True
_IS_DIGIT[ord(".")] = True


def may_hold_long_numbers(path: Path) -> bool:
    """Returns False only when no run of 19 digits and dots is in the file."""
    carry = _PADDING
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            data = carry + block
            if _has_run(np.frombuffer(data + _PADDING, dtype=np.uint8)):
                return True
            carry = _PADDING + data[-_RUN:]
    return False


def _has_run(text: npt.NDArray[np.uint8]) -> bool:
    """Tells whether a run is in `text`, which must be padded on both sides."""
    samples = _IS_DIGIT[text[_RUN:-_RUN:_STEP]]
    starts = np.flatnonzero(samples[1:] & samples[:-1]) * _STEP + _RUN
    for offset in (4, 2, 6, 1, 3, 5, 7, 8):
        starts = starts[_IS_DIGIT[text[starts + offset]]]
    # The run needs nine more: at least five of them on one side.
    left, right = starts - _STEP // 2 - 1, starts + _STEP + _STEP // 2 + 1
    starts = starts[_IS_DIGIT[text[left]] | _IS_DIGIT[text[right]]]
    lengths = np.full(len(starts), _STEP + 1, dtype=np.int64)
    for direction, start in ((-1, starts), (1, starts + _STEP)):
        unbroken = np.ones(len(starts), dtype=bool)
        for distance in range(1, _RUN - _STEP):
            unbroken &= _IS_DIGIT[text[start + direction * distance]]
            lengths += unbroken
    return bool((lengths >= _RUN).any())
