"""Where a stream of PostgreSQL stands, as its states say it.

Rows lie in numbered pages, and every row names the transaction that wrote it. A position is
"the pages below `block` are complete as of `seen`, the others as of `base`": transaction numbers,
such that a row of that number or a later one may not have been read. So an interrupted reading
continues under a new snapshot, and reads again whatever changed in the pages it had done. A full
refresh continues only where nothing did: rows it has sent cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.sdk.stream import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePosition:
    """Between two pages, or at the end of them."""

    base: int | None = None
    """None: the pages from `block` on were never read."""
    block: int = 0
    seen: int | None = None
    file: int | None = None
    """The file that the block is of (`pg_relation_filenode`): rewriting a table moves its rows."""
    rows: int | None = None
    """How many rows the pages below `block` had, in a full refresh."""

    def state(self) -> State:
        state = {"base": self.base, "block": self.block, "seen": self.seen, "file": self.file}
        return State(state if self.rows is None else {**state, "rows": self.rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPosition:
    """Behind all rows up to a value of the cursor; `value` None: there was no row with one."""

    cursor: str
    value: str | None
    seen: int | None
    """None where rows do not tell their transaction: a view."""

    def state(self) -> State:
        return State({"cursor": self.cursor, "value": self.value, "seen": self.seen})


Position = PagePosition | CursorPosition

_PAGES: Final = frozenset({"base", "block", "seen", "file"})


def position_of(state: Mapping[str, Any] | None, stream: str) -> Position:
    """Returns the position that a state stands for; ConfigError for one of another source."""
    if state is None:
        return PagePosition()
    numbers = [state.get(name) for name in (*_PAGES, "rows") if name in state]
    texts = [state.get(name) for name in ("cursor", "value") if name in state]
    is_sound = all(_is_count(each) for each in numbers) and all(
        each is None or isinstance(each, str) for each in texts
    )
    if is_sound and state.keys() - {"rows"} == _PAGES:
        return PagePosition(
            base=state["base"],
            block=state["block"] or 0,
            seen=state["seen"],
            file=state["file"],
            rows=state.get("rows"),
        )
    if is_sound and state.keys() == {"cursor", "value", "seen"} and state["cursor"]:
        return CursorPosition(cursor=state["cursor"], value=state["value"], seen=state["seen"])
    raise ConfigError(
        f"The state of {stream} is not one that this source wrote.",
        remedy="Reset the stream's state (`penstock state reset`), and the next sync begins anew.",
        stream=stream,
    )


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
