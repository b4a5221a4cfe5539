"""Figures by day of workspaces: a day that is long over is counted once, and remembered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from penstock.control.store import Transaction, figures
from penstock.control.store.figures import DayFigures

_MAY_CHANGE_DAYS: Final = 2
"""Today, and the day before for a server whose clock is behind."""
_MOST_REMEMBERED: Final = 20_000
"""Some 10 MB; a year of fifty choices of workspaces."""

_Key = tuple[frozenset[str] | None, date]


class RememberedDays:
    """Counts runs by day. Safe to use from any thread.

    A run ends now, never on a day that is over: its figures stay what they are. They also stay
    when the runs of that day are removed for their age.
    """

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._turn = threading.Lock()
        self._known: dict[_Key, DayFigures] = {}

    def of(
        self, tx: Transaction, *, count: int, today: date, workspace_ids: Sequence[str] | None
    ) -> tuple[DayFigures, ...]:
        """Returns the figures of the last `count` days, the oldest first, today's last."""
        whose = None if workspace_ids is None else frozenset(workspace_ids)
        days = [today - timedelta(days=ago) for ago in range(count - 1, -1, -1)]
        settled = today - timedelta(days=_MAY_CHANGE_DAYS)
        with self._turn:
            known = {day: self._known.get((whose, day)) for day in days if day <= settled}
        first = next((day for day in days if known.get(day) is None), today)
        counted = figures.by_day(tx, first=first, last=today, workspace_ids=workspace_ids)
        with self._turn:
            for each in counted:
                if each.day <= settled:
                    self._known[whose, each.day] = each
            while len(self._known) > _MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
        before = (found for day in days if day < first and (found := known[day]) is not None)
        return (*before, *counted)
