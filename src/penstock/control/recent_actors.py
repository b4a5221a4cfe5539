"""Who asked a moment ago: pages ask many things at once, of one person."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from penstock.control.store.database import Store

if TYPE_CHECKING:
    from penstock.control.access import Actor

_REMEMBERED_SECONDS: Final = 1.0
_REMEMBERED_AT_MOST: Final = 1000


class RecentActors:
    """Who asked within the last second, by what they showed.

    All are forgotten when this process writes to the store, so that whom it signs out is out at
    once; what another process takes away counts a second later.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[Actor, int, float]] = {}

    def get(self, digest: str) -> Actor | None:
        """Returns who it was; None when that is no longer certain."""
        found = self._kept.get(digest)
        if found is None:
            return None
        actor, version, until = found
        is_certain = version == self._store.version and time.monotonic() < until
        return actor if is_certain else None

    def keep(self, digest: str, actor: Actor, *, version: int) -> None:
        """Notes who it is, as read when the store had that version."""
        if len(self._kept) >= _REMEMBERED_AT_MOST:
            self._kept = {}
        self._kept[digest] = (actor, version, time.monotonic() + _REMEMBERED_SECONDS)
