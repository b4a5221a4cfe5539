"""Names that must survive quoting: of columns, of properties, of tables."""

from __future__ import annotations

from typing import Final

ODD_NAMES: Final = (
    "select",
    "order",
    "table",
    "user",
    "group",
    "null",
    "rowid",
    "_id",
    "_1st",
    "MixedCase",
    "two words",
    "with-dash",
    "with.dot",
    "with,comma",
    'double"quote',
    "single'quote",
    "back`tick",
    "back\\slash",
    "semi;colon -- comment",
    "percent%s",
    "{brace}",
    "[bracket]",
    "?question",
    ":colon",
    "$dollar",
    "पुणे",
    "naïve",
    "emoji 🚰",
    " space around ",
    "new\nline",
)


def long_name(stem: str, max_bytes: int) -> str:
    """Returns a name as long as the destination allows, 200 at most."""
    length = min(200, max_bytes)
    return stem[:length].ljust(length, "x")
