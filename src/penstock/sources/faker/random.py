"""Random numbers that are a pure function of (seed, column, row), a whole column at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_STEP: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1


def mixed(value: int) -> int:
    """Returns SplitMix64's output for one state (Steele, Lea, Flood 2014, figure 8)."""
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_2) & _MASK
    return value ^ (value >> 31)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one batch: which they are, and the seed their values come from.

    The same row has the same values in whatever batch it is made.
    """

    index: npt.NDArray[np.int64]
    """Number of each row, from 0."""
    version: int
    """How often these rows have been changed; 0 as they were made."""
    seed: int

    def words(self, column: int) -> Words:
        """Returns 64 random bits a row; `column` keeps the columns independent."""
        key = np.uint64(mixed(mixed(self.seed) ^ column))
        words = self.index.astype(np.uint64)
        words *= np.uint64(_STEP)
        words += key
        words ^= words >> np.uint64(30)
        words *= np.uint64(_MIX_1)
        words ^= words >> np.uint64(27)
        words *= np.uint64(_MIX_2)
        words ^= words >> np.uint64(31)
        return words

    def changing(self, column: int) -> Words:
        """Returns 64 random bits a row that are others in each version."""
        return self.words(column ^ mixed(self.version) if self.version else column)

    def below(self, column: int, bound: int) -> npt.NDArray[np.int64]:
        """Returns an integer in [0, bound) a row."""
        return below(self.words(column), bound)


def below(words: Words, bound: int) -> npt.NDArray[np.int64]:
    """Returns each word's integer in [0, bound), for bounds far below 2**64."""
    return (words % np.uint64(bound)).astype(np.int64)
