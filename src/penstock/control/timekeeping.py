"""What is done when the machine's clock jumps: nothing waits for a time that is far away now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from penstock.control import enqueuing
from penstock.control.house import House
from penstock.control.schedule import next_time
from penstock.control.store import due, leases

logger = logging.getLogger(__name__)

JUMP_SECONDS: Final = 60.0
"""A clock that is put right by less goes on being trusted."""
_AT_ONCE: Final = 200


class ClockWatch:
    """Compares the machine's clock with one that only goes forward; one thread asks."""

    def __init__(
        self, clock: Callable[[], datetime], *, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._clock_was, self._steady_was = clock(), steady()

    def jumped_seconds(self) -> float:
        """Returns by how much the clock has jumped since it was asked last; 0.0 for a little.

        Negative: it was put back. A machine that slept has jumped forward.
        """
        clock, steady = self._clock(), self._steady()
        jumped = (clock - self._clock_was).total_seconds() - (steady - self._steady_was)
        self._clock_was, self._steady_was = clock, steady
        return jumped if abs(jumped) > JUMP_SECONDS else 0.0


def put_right(house: House, *, beyond_seconds: float = 0.0) -> int:
    """Brings schedules and waiting runs back from a future that a wrong clock had promised.

    Looks at what is due later than `beyond_seconds` from now. Returns how many it moved.
    """
    now = house.clock()
    with house.store.write() as tx:
        moved = leases.recall_from_future(tx, now=now)
    seen: due.Slot | None = None
    while True:
        with house.store.write() as tx:
            far = due.after(
                tx, now + timedelta(seconds=beyond_seconds), behind=seen, limit=_AT_ONCE
            )
            known = due.connections_of(tx, far)
            for slot in far:
                connection = known[slot.connection_id]
                schedule = enqueuing.schedule_of(connection, slot.slot)
                # From now on: nothing can rightly be due later than if it had just started.
                latest = next_time(
                    schedule, now=now, last_started=now, key=f"{connection.id}/{slot.slot}"
                )
                is_late = latest is not None and slot.next_at is not None and slot.next_at > latest
                if is_late and due.move(tx, slot, latest, expected=slot.next_at):
                    moved += 1
        if len(far) < _AT_ONCE:
            break
        seen = far[-1]
    if moved:
        logger.warning("schedules put right after a jump of the clock", extra={"moved": moved})
    return moved
