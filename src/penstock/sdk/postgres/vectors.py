"""Arrow's numbers and booleans as numpy arrays, without copying: what builds COPY's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


def numbers_of(array: pa.Array) -> np.ndarray[Any, Any]:
    """Returns the integers of an array; what stands at a null is void."""
    width = array.type.bit_width // 8
    values = np.frombuffer(array.buffers()[1] or b"", f"i{width}")
    return values[array.offset : array.offset + len(array)]


def flags_of(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Returns the booleans of an array; what stands at a null is void."""
    end = array.offset + len(array)
    bits = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return np.unpackbits(bits, count=end, bitorder="little")[array.offset :].view(np.bool_)
