"""Where a report continues, and which rows of its unfinished days were sent: a stream's state."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.sources.google_analytics.api import Key
from penstock.sources.google_analytics.periods import Period

_log = logging.getLogger(__name__)
_MOST_TEXT: Final = 4 << 20
"""Characters of keys a state may hold; states are kept with every checkpoint."""


@dataclass(slots=True, kw_only=True)
class Position:
    """How far one property's report was read."""

    next: date | None = None
    """The first day that the next sync reads; None where none was read yet."""
    rows: dict[date, str] = field(default_factory=dict)
    """Rows sent of periods that will be read again, packed, by the period's first day."""

    def keep(self, first: date, keys: Iterable[Key]) -> None:
        """Remembers which rows a period had."""
        self.rows[first] = _packed(keys)

    def take(self, period: Period) -> set[Key]:
        """Returns the rows remembered of a period or window, and forgets them."""
        found = [first for first in self.rows if period.first <= first <= period.last]
        return {key for first in found for key in _unpacked(self.rows.pop(first))}

    def finish(self, before: date) -> None:
        """Forgets the rows of periods that began before a day: they will not be read again."""
        for first in [first for first in self.rows if first < before]:
            del self.rows[first]


def positions_of(state: Mapping[str, Any] | None, stream: str) -> dict[str, Position]:
    """Returns the position of each property in a state. Raises ConfigError for another's."""
    if state is None:
        return {}
    try:
        return {number: _read(told) for number, told in state["properties"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error, binascii.Error) as error:
        raise ConfigError(
            f"The state of the stream {stream} is not one that the Google Analytics source wrote.",
            remedy="Reset the stream's state, and the next sync begins at the start date.",
            stream=stream,
        ) from error


def state_of(positions: Mapping[str, Position], stream: str) -> dict[str, Any]:
    """Returns the positions as a state.

    Keys that would make it too large are left out, oldest periods last: rows that Google takes
    back from such a period stay in the destination, and the log says so.
    """
    room = _MOST_TEXT
    properties: dict[str, Any] = {}
    left_out: list[date] = []
    for number, position in positions.items():
        packed: dict[str, str] = {}
        for first, text in sorted(position.rows.items(), reverse=True):
            if len(text) > room:
                left_out.append(first)
                continue
            room -= len(text)
            packed[first.isoformat()] = text
        day = None if position.next is None else position.next.isoformat()
        properties[number] = {"next": day, "rows": packed}
    if left_out:
        _log.warning(
            "rows that Google takes back cannot be told: a state would grow too large",
            extra={"stream": stream, "days": [day.isoformat() for day in sorted(left_out)]},
        )
    return {"properties": properties}


def _packed(keys: Iterable[Key]) -> str:
    text = json.dumps(sorted(keys), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode())).decode("ascii")


def _unpacked(text: str) -> set[Key]:
    found = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
    return {tuple(map(str, key)) for key in found}


def _read(told: Mapping[str, Any]) -> Position:
    day = told["next"]
    position = Position(next=None if day is None else date.fromisoformat(day))
    for first, packed in told["rows"].items():
        position.keep(date.fromisoformat(first), _unpacked(packed))
    return position
