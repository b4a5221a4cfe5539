"""Where a stream of DuckDB stands, as its states say it.

A full reading stands between two rows of a file: rows keep their numbers until something is
deleted and the file is tidied up, so the position holds for the file as it was, and for no other.
An incremental one stands behind a value, of the cursor or of the whole key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.errors import ConfigError
from penstock.sdk.stream import State


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPosition:
    """Before the row of this number; all of smaller numbers were read."""

    row: int = 0
    file: str | None = None
    """What tells the file as it was: its size and when it was last written."""

    def state(self) -> State:
        return State({"row": self.row, "file": self.file})


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePosition:
    """Behind all rows up to a value."""

    columns: tuple[str, ...]
    """The cursor, or the columns of the key."""
    values: tuple[str, ...] | None = None
    """DuckDB's texts of the last row's; None before the first."""
    digest: str | None = None
    """Tells the rows of the last value, and those without any, from others; None: not known."""

    def state(self) -> State:
        values = None if self.values is None else list(self.values)
        return State({"columns": list(self.columns), "values": values, "digest": self.digest})


Position = RowPosition | ValuePosition


def position_of(state: Mapping[str, Any] | None, stream: str) -> Position | None:
    """Returns the position that a state stands for; ConfigError for one of another source."""
    if state is None:
        return None
    if state.keys() == {"row", "file"}:
        row, file = state["row"], state["file"]
        if isinstance(row, int) and not isinstance(row, bool) and row >= 0 and _is_text(file):
            return RowPosition(row=row, file=file)
    if state.keys() == {"columns", "values", "digest"}:
        columns, values, digest = state["columns"], state["values"], state["digest"]
        is_sound = _are_texts(columns) and (values is None or _are_texts(values))
        if is_sound and _is_text(digest) and (values is None or len(values) == len(columns)):
            texts = None if values is None else tuple(values)
            return ValuePosition(columns=tuple(columns), values=texts, digest=digest)
    raise ConfigError(
        f"The state of {stream} is not one that this source wrote.",
        remedy="Reset the stream's state (`penstock state reset`), and the next sync begins anew.",
        stream=stream,
    )


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
