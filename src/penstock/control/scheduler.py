"""The clock: asks for the runs that are due, and says when each comes next."""

from __future__ import annotations

import logging
from typing import Final

from penstock.control import enqueuing
from penstock.control.history import Event, Trigger
from penstock.control.house import House
from penstock.control.model import Connection, ConnectionStatus
from penstock.control.schedule import next_time
from penstock.control.store import Transaction, due, events
from penstock.errors import ConfigError, ResourceBusy

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 200
"""Slots moved in one transaction: others write between two of them."""


def tick(house: House) -> int:
    """Asks for every run that is due; returns how many.

    A connection that still runs is skipped until its next time. Servers may tick together: one of
    them moves a slot, and only that one asks.
    """
    asked = 0
    while True:
        with house.store.read() as tx:
            is_due = bool(due.reached(tx, house.clock(), limit=1))
        if not is_due:
            return asked
        with house.store.write() as tx:
            slots = due.reached(tx, house.clock(), limit=_AT_ONCE)
            known = due.connections_of(tx, slots)
            for slot in slots:
                asked += _take(tx, house, slot, known.get(slot.connection_id))


def _take(tx: Transaction, house: House, slot: due.Slot, connection: Connection | None) -> bool:
    now = house.clock()
    if connection is None or connection.status is not ConnectionStatus.ACTIVE:
        due.move(tx, slot, None, expected=slot.next_at)
        return False
    schedule = enqueuing.schedule_of(connection, slot.slot)
    try:
        following = next_time(
            schedule, now=now, last_started=now, key=f"{connection.id}/{slot.slot}"
        )
    except ConfigError as error:
        said = {"connection": connection.id, "why": error.message}
        logger.warning("schedule dropped", extra=said)
        following = None
    if not due.move(tx, slot, following, expected=slot.next_at):
        return False
    request = enqueuing.Request(trigger=Trigger.SCHEDULE, streams=schedule.streams)
    try:
        enqueuing.enqueue(tx, connection, request, now=now)
    except (ResourceBusy, ConfigError) as error:
        _note_skipped(tx, connection, str(error.message), house)
        return False
    return True


def _note_skipped(tx: Transaction, connection: Connection, why: str, house: House) -> None:
    event = Event(
        at=house.clock(),
        kind="run.skipped",
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        data={"name": connection.name, "reason": why},
    )
    events.note(tx, event)
