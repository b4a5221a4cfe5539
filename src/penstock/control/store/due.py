"""Queries of the scheduler: what is due, and what follows what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select, update

from penstock.control.model import Connection
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import connections, due


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One schedule of one connection: 0 is its own, n its nth for streams."""

    connection_id: str
    slot: int
    next_at: datetime | None = None
    after_id: str | None = None


def arrange(tx: Transaction, connection_id: str, slots: Iterable[Slot]) -> None:
    """Puts a connection on the schedule, in place of what was there."""
    tx.execute(delete(due).where(due.c.connection_id == connection_id))
    for slot in slots:
        rows.put(tx, due, slot)


def of_connection(tx: Transaction, connection_id: str) -> tuple[Slot, ...]:
    """Returns a connection's places on the schedule."""
    query = select(due).where(due.c.connection_id == connection_id).order_by(due.c.slot)
    return rows.every(tx, Slot, query)


def next_of(tx: Transaction, connection_ids: Iterable[str]) -> dict[str, datetime]:
    """Returns when each connection is due next; those that are not are left out."""
    query = (
        select(due.c.connection_id, func.min(due.c.next_at))
        .where(due.c.connection_id.in_(set(connection_ids)), due.c.next_at.is_not(None))
        .group_by(due.c.connection_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def reached(tx: Transaction, now: datetime, *, limit: int) -> tuple[Slot, ...]:
    """Returns what is due, the longest waiting first."""
    query = select(due).where(due.c.next_at <= now).order_by(due.c.next_at).limit(limit)
    return rows.every(tx, Slot, query)


def after(
    tx: Transaction, moment: datetime, *, behind: Slot | None, limit: int
) -> tuple[Slot, ...]:
    """Returns what is due after a moment, in the order of connections; behind one seen before."""
    query = select(due).where(due.c.next_at > moment)
    if behind is not None:
        query = query.where(
            or_(
                due.c.connection_id > behind.connection_id,
                and_(due.c.connection_id == behind.connection_id, due.c.slot > behind.slot),
            )
        )
    query = query.order_by(due.c.connection_id, due.c.slot).limit(limit)
    return rows.every(tx, Slot, query)


def followers(tx: Transaction, connection_id: str) -> tuple[Slot, ...]:
    """Returns what starts when this connection has succeeded."""
    return rows.every(tx, Slot, select(due).where(due.c.after_id == connection_id))


def next_of_all(tx: Transaction) -> datetime | None:
    """Returns when something is due next."""
    found: datetime | None = tx.execute(select(func.min(due.c.next_at))).scalar()
    return found


def move(
    tx: Transaction, slot: Slot, next_at: datetime | None, *, expected: datetime | None
) -> bool:
    """Sets when a slot is due next; False when another server has done so already."""
    done = tx.execute(
        update(due)
        .where(
            due.c.connection_id == slot.connection_id,
            due.c.slot == slot.slot,
            due.c.next_at.is_not_distinct_from(expected),
        )
        .values(next_at=next_at)
    )
    return bool(done.rowcount)


def connections_of(tx: Transaction, slots: Iterable[Slot]) -> dict[str, Connection]:
    """Returns the connections of slots, by id."""
    ids = {slot.connection_id for slot in slots}
    query = select(connections).where(connections.c.id.in_(ids))
    return {each.id: each for each in rows.every(tx, Connection, query)}
