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

    def state(self) -> State:
        return State({"key": list(self.columns), "after": list(self.values)})


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
    if state.keys() == {"key", "after"}:
        columns, values = state["key"], state["after"]
        if _are_texts(columns) and _are_texts(values) and len(columns) == len(values):
            return KeyPosition(columns=tuple(columns), values=tuple(values))
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
