"""Random numbers that are a pure function of (seed, column, row), a whole column at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_STEP: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of 64-bit integers to reckon with; what is beyond 64 bits is cut off."""

    array: pa.Array
    """int64 or uint64; the results have the same type."""

    def __add__(self, other: int | Numbers) -> Numbers:
        return Numbers(pc.add(self.array, self._operand(other)))

    def __mul__(self, other: int | Numbers) -> Numbers:
        return Numbers(pc.multiply(self.array, self._operand(other)))

    def __mod__(self, other: int | Numbers) -> Numbers:
        """Of numbers that are not negative."""
        by = self._operand(other)
        quotient = pc.divide(self.array, by)
        return Numbers(pc.subtract(self.array, pc.multiply(quotient, by)))

    def __rshift__(self, bits: int) -> Numbers:
        return Numbers(pc.shift_right(self.array, self._operand(bits)))

    def __and__(self, mask: int) -> Numbers:
        return Numbers(pc.bit_wise_and(self.array, self._operand(mask)))

    def __xor__(self, other: int | Numbers) -> Numbers:
        return Numbers(pc.bit_wise_xor(self.array, self._operand(other)))

    def __invert__(self) -> Numbers:
        return Numbers(pc.bit_wise_not(self.array))

    def __neg__(self) -> Numbers:
        return Numbers(pc.negate(self.array))

    def is_equal(self, number: int) -> pa.Array:
        """Returns for each whether it is this number."""
        return pc.equal(self.array, self._operand(number))

    def where(self, is_kept: pa.Array, other: Numbers) -> Numbers:
        """Returns these numbers where `is_kept`, elsewhere the others."""
        return Numbers(pc.if_else(is_kept, self.array, other.array))

    @property
    def signed(self) -> Numbers:
        """The same bits as int64."""
        return Numbers(self.array.view(pa.int64()))

    @property
    def unsigned(self) -> Numbers:
        """The same bits as uint64."""
        return Numbers(self.array.view(pa.uint64()))

    def _operand(self, other: int | Numbers) -> pa.Array | pa.Scalar:
        if isinstance(other, Numbers):
            return other.array
        bits = pa.py_buffer((other & _MASK).to_bytes(8, "little"))
        return pa.Array.from_buffers(self.array.type, 1, [None, bits])[0]


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

    index: Numbers
    """Number of each row, from 0; int64."""
    version: int
    """How often these rows have been changed; 0 as they were made."""
    seed: int

    def __len__(self) -> int:
        return len(self.index.array)

    def words(self, column: int) -> Numbers:
        """Returns 64 random bits a row, unsigned; `column` keeps the columns independent."""
        key = mixed(mixed(self.seed) ^ column)
        words = self.index.unsigned * _STEP + key
        words = (words ^ words >> 30) * _MIX_1
        words = (words ^ words >> 27) * _MIX_2
        return words ^ words >> 31

    def changing(self, column: int) -> Numbers:
        """Returns 64 random bits a row that are others in each version."""
        return self.words(column ^ mixed(self.version) if self.version else column)

    def below(self, column: int, bound: int) -> Numbers:
        """Returns an integer in [0, bound) a row."""
        return below(self.words(column), bound)


def below(words: Numbers, bound: int) -> Numbers:
    """Returns each word's integer in [0, bound), for bounds far below 2**64."""
    return (words % bound).signed
