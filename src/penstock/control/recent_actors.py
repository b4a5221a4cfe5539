"""Who asked a moment ago: pages ask many things at once, of one person."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from penstock.control.store.database import Store
from penstock.control.store.table_versions import with_parents
from penstock.control.store.tables import permissions, sessions, tokens, users

if TYPE_CHECKING:
    from penstock.control.access import Actor

_REMEMBERED_SECONDS: Final = 1.0
_REMEMBERED_AT_MOST: Final = 1000
_TABLES: Final = with_parents((permissions, sessions, tokens, users))
"""What tells who somebody is and what they may do."""


class RecentActors:
    """Who asked within the last second, by what they showed.

    All are forgotten when this process changes anything about anybody, so that whom it signs out
    is out at once; what another process takes away counts a second later.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[Actor, int, float]] = {}

    @property
    def version(self) -> int:
        """What `keep` wants to be told of the moment before somebody was looked up."""
        return self._store.version_of(_TABLES)

    def get(self, digest: str) -> Actor | None:
        """Returns who it was; None when that is no longer certain."""
        found = self._kept.get(digest)
        if found is None:
            return None
        actor, version, until = found
        is_certain = version == self.version and time.monotonic() < until
        return actor if is_certain else None

    def keep(self, digest: str, actor: Actor, *, version: int) -> None:
        """Notes who it is, as read after that `version`."""
        if len(self._kept) >= _REMEMBERED_AT_MOST:
            self._kept = {}
        self._kept[digest] = (actor, version, time.monotonic() + _REMEMBERED_SECONDS)
