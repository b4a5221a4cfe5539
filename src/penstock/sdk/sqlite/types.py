"""Declared types of SQLite: the kinds they hold, and what SQLite makes of values in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from penstock.data.types import Kind

TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "TEXT",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.BIG_INTEGER: "DECIMAL_TEXT(38,0)",
    Kind.NUMBER: "DOUBLE",
    Kind.DECIMAL: "DECIMAL_TEXT(38,9)",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP_TZ: "TIMESTAMP WITH TIME ZONE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIME: "TIME",
    Kind.JSON: "JSON_TEXT",
}
"""TEXT in the name of a type keeps SQLite from making doubles of numbers (datatype3.html §3.1)."""
_KINDS: Final = {name: kind for kind, name in TYPES.items()}
_WHOLE: Final = re.compile(r"(TINY|SMALL|MEDIUM|BIG|UNSIGNED BIG )?INT(EGER)?(\(\d+\))?|INT[248]")
_TEXTUAL: Final = re.compile(r"(N?(VAR)?CHAR(ACTER)?|VARYING CHARACTER|CLOB|TEXT)\s*(\(\d+\))?")
_REAL: Final = frozenset({"REAL", "DOUBLE PRECISION", "FLOAT"})


def kind_of_type(type_name: str) -> Kind | None:
    """Returns the kind that a declared type holds whole; None for one of another kind."""
    upper = type_name.upper().strip()
    if upper in _KINDS:
        return _KINDS[upper]
    if _WHOLE.fullmatch(upper):
        return Kind.INTEGER
    if _TEXTUAL.fullmatch(upper):
        return Kind.STRING
    return Kind.NUMBER if upper in _REAL else None


def affinity(type_name: str) -> str:
    """Returns the affinity of a declared type (https://sqlite.org/datatype3.html §3.1)."""
    upper = type_name.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper:
        return "BLOB"
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def quoted(name: str) -> str:
    """Returns a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
