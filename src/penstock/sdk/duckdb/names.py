"""How DuckDB spells names and texts."""

from __future__ import annotations


def quoted(name: str) -> str:
    """Returns a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
