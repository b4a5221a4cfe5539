"""Arrow columns as the text that LOAD DATA and INSERT read, each column as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How one of the two statements wants its values."""

    null: str
    quote: str
    escapes: tuple[tuple[str, str], ...]
    between: str
    before_row: str
    after_row: str


FILE: Final = Spelling(
    null="\\N",
    quote="",
    escapes=(("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\x00", "\\0")),
    between="\t",
    before_row="",
    after_row="\n",
)
"""What LOAD DATA reads with its own defaults."""

VALUES: Final = Spelling(
    null="NULL",
    quote="'",
    escapes=(("\\", "\\\\"), ("'", "\\'"), ("\x00", "\\0")),
    between=",",
    before_row="(",
    after_row=")",
)
"""What stands behind VALUES; numbers stand as they are."""

_AS_TEXT: Final = frozenset({Kind.STRING, Kind.JSON})
_MOMENTS: Final = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})


def spelled(array: pa.Array, kind: Kind, spelling: Spelling) -> pa.Array:
    """Returns the text of each value; a null is still null."""
    if kind in _AS_TEXT:
        texts = array.storage if isinstance(array, pa.ExtensionArray) else array
        for plain, escaped in spelling.escapes:
            if _has(texts, plain):
                texts = pc.replace_substring(texts, plain, escaped)
        return _quoted(texts, spelling)
    if kind is Kind.BOOLEAN:
        return pc.if_else(array, "1", "0")
    if kind in _MOMENTS:
        plain = array.cast(pa.timestamp("us")) if kind is Kind.TIMESTAMP_TZ else array
        return _quoted(plain.cast(pa.string()), spelling)
    texts = _plain_decimals(array) if pa.types.is_decimal(array.type) else array.cast(pa.string())
    # -0 is an integer in a statement, and loses its sign.
    return _exponential(texts) if kind is Kind.NUMBER and spelling.quote else texts


def joined(columns: list[pa.Array], spelling: Spelling) -> list[str]:
    """Returns a text for each row of columns that `spelled` made."""
    filled = [column.fill_null(spelling.null) for column in columns]
    if not filled:
        return []
    rows = pc.binary_join_element_wise(*filled, spelling.between)
    if spelling.before_row:
        rows = pc.binary_join_element_wise(spelling.before_row, rows, spelling.after_row, "")
    texts: list[str] = rows.to_pylist()
    return texts


def file_of(columns: list[pa.Array]) -> bytes:
    """Returns the rows of columns spelled for LOAD DATA, as the file it is sent."""
    filled = [column.fill_null(FILE.null) for column in columns]
    rows = pc.binary_join_element_wise(*filled, FILE.between)
    ended = pc.binary_join_element_wise(rows, FILE.after_row, "")
    _, offsets, content = ended.buffers()
    if content is None:
        return b""
    bounds = memoryview(offsets).cast("i")
    return bytes(memoryview(content)[bounds[ended.offset] : bounds[ended.offset + len(ended)]])


def _has(texts: pa.Array, plain: str) -> bool:
    found = pc.any(pc.match_substring(texts, plain)).as_py()
    return bool(found)


def _quoted(texts: pa.Array, spelling: Spelling) -> pa.Array:
    if not spelling.quote:
        return texts
    return pc.binary_join_element_wise(spelling.quote, texts, spelling.quote, "")


def _plain_decimals(array: pa.Array) -> pa.Array:
    """Returns decimals digit by digit: Arrow writes small ones with an exponent."""
    texts = array.cast(pa.string())
    if not pc.any(pc.match_substring(texts, "E")).as_py():
        return texts
    return pa.array([None if v is None else f"{v:f}" for v in array.to_pylist()], pa.string())


def _exponential(texts: pa.Array) -> pa.Array:
    has_one = pc.match_substring_regex(texts, "[eE]")
    return pc.if_else(has_one, texts, pc.binary_join_element_wise(texts, "e0", ""))
