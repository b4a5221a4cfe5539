"""How DuckDB spells names and texts, and which of a database's names are penstock's own."""

from __future__ import annotations

from typing import Final

STAGING_MARK: Final = "penstock: rows of "
"""Begins the comment of a table whose rows are not published yet."""
OWN_NAMES: Final = "_penstock_"
"""Begins the names of tables that penstock keeps for itself, such as its checkpoints."""


def quoted(name: str) -> str:
    """Returns a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
