"""Where a stream of MySQL stands, as its states say it: behind a key, or at a value of a cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.errors import ConfigError
from penstock.sdk.stream import State


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPosition:
    """Behind the row of a primary key; without values, before the first."""

    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    rows: int | None = None
    """Of a full refresh: how many rows were read up to there."""

    def state(self) -> State:
        place: dict[str, Any] = {"key": list(self.columns), "after": list(self.values)}
        return State(place if self.rows is None else {**place, "rows": self.rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPosition:
    """Behind all rows below a value of the cursor; `value` None: there was no row with one."""

    cursor: str
    value: str | None

    def state(self) -> State:
        return State({"cursor": self.cursor, "value": self.value})


Position = KeyPosition | CursorPosition


def position_of(state: Mapping[str, Any] | None, stream: str) -> Position:
    """Returns the position that a state stands for; ConfigError for one of another source."""
    if state is None:
        return KeyPosition()
    if {"key", "after"} <= state.keys() <= {"key", "after", "rows"}:
        columns, values, rows = state["key"], state["after"], state.get("rows")
        is_counted = rows is None or type(rows) is int
        are_texts = _are_texts(columns) and _are_texts(values)
        if are_texts and is_counted and len(values) in (0, len(columns)):
            return KeyPosition(columns=tuple(columns), values=tuple(values), rows=rows)
    if state.keys() == {"cursor", "value"}:
        cursor, value = state["cursor"], state["value"]
        if isinstance(cursor, str) and cursor and (value is None or isinstance(value, str)):
            return CursorPosition(cursor=cursor, value=value)
    raise ConfigError(
        f"The state of {stream} is not one that this source wrote.",
        remedy="Reset the stream's state (`penstock state reset`), and the next sync begins anew.",
        stream=stream,
    )


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
