"""Which connections have missed their schedule, and which moved much more or less than usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from penstock.control.model import Connection, ConnectionStatus, ScheduleKind
from penstock.control.schedule import next_times
from penstock.control.store import Transaction, figures

_ENOUGH_RUNS: Final = 5
_FACTOR: Final = 5
_NOTABLE_ROWS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """A connection that should have succeeded again by now."""

    connection: Connection
    since: datetime


def late(
    tx: Transaction, now: datetime, *, workspace_ids: Sequence[str] | None = None
) -> tuple[Late, ...]:
    """Returns the connections that are late, the longest first."""
    found = []
    for each in figures.perhaps_late(tx, now, workspace_ids=workspace_ids):
        since = late_since(each)
        if since is not None and since < now:
            found.append(Late(connection=each, since=since))
    return tuple(sorted(found, key=lambda one: one.since))


def late_since(connection: Connection) -> datetime | None:
    """Returns from when on a connection is late unless it succeeds; None: never.

    That is when its schedule has come twice since its last success: once to start, and a whole
    turn to succeed in.
    """
    if connection.status is not ConnectionStatus.ACTIVE:
        return None
    last = connection.last_succeeded_at or connection.created_at
    schedule = connection.schedule
    match schedule.kind:
        case ScheduleKind.INTERVAL:
            return last + timedelta(seconds=2 * (schedule.interval_seconds or 0))
        case ScheduleKind.CRON:
            times = next_times(schedule, now=last, count=2)
            jitter = timedelta(seconds=schedule.jitter_seconds)
            return times[1] + jitter if len(times) == 2 else None
        case _:
            return None


def is_unusual(rows: int, before: Sequence[int]) -> bool:
    """Tells whether a sync moved less than a fifth, or more than five times, of what is usual.

    Usual is the median of the syncs before; five are needed, and small numbers do not count.
    """
    if len(before) < _ENOUGH_RUNS:
        return False
    usual = median(before)
    if max(rows, usual) < _NOTABLE_ROWS:
        return False
    return rows * _FACTOR < usual or rows > usual * _FACTOR
