"""Queries about events, the channels that tell of them, and what is on its way to those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, func, select, update

from penstock.control.history import Delivery, DeliveryStatus, Event
from penstock.control.model import Channel
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import IS_PENDING, channels, deliveries, events


def note(tx: Transaction, event: Event, *, tells: bool = True) -> Event:
    """Keeps an event, and a delivery for each channel of its workspace that wants its kind.

    Without `tells` it is only for the timeline.
    """
    kept = replace(event, id=rows.put_numbered(tx, events, event))
    for channel in _listening(tx, kept) if tells else ():
        delivery = Delivery(
            channel_id=channel.id,
            event_id=kept.id,
            payload={"kind": kept.kind, "data": kept.data},
            next_at=kept.at,
            created_at=kept.at,
        )
        rows.put_numbered(tx, deliveries, delivery)
    return kept


def get(tx: Transaction, event_id: int) -> Event:
    """Returns an event; raises UnknownName without one."""
    found = rows.one(tx, Event, select(events).where(events.c.id == event_id))
    if found is None:
        raise rows.unknown("event", event_id)
    return found


def timeline(
    tx: Transaction,
    window: rows.Window,
    *,
    connection_id: str | None = None,
    workspace_id: str | None = None,
    kinds: Sequence[str] | None = None,
) -> rows.Page[Event]:
    """Returns events, the newest first."""
    query = select(events)
    if connection_id is not None:
        query = query.where(events.c.connection_id == connection_id)
    if workspace_id is not None:
        query = query.where(events.c.workspace_id == workspace_id)
    if kinds is not None:
        query = query.where(events.c.kind.in_(kinds))
    return rows.page(tx, Event, query, keys=(events.c.id,), window=window, is_descending=True)


def since(tx: Transaction, event_id: int, *, limit: int = 500) -> tuple[Event, ...]:
    """Returns the events after one, the oldest first, for those who follow."""
    query = select(events).where(events.c.id > event_id).order_by(events.c.id).limit(limit)
    return rows.every(tx, Event, query)


def newest_id(tx: Transaction) -> int:
    """Returns the id of the newest event, 0 when there is none."""
    return int(tx.execute(select(func.max(events.c.id))).scalar() or 0)


def count_since(tx: Transaction, kind: str, moment: datetime) -> tuple[tuple[str, int], ...]:
    """Returns how many events of a kind each connection had since a moment, where it had any."""
    query = (
        select(events.c.connection_id, func.count())
        .where(events.c.at >= moment, events.c.kind == kind, events.c.connection_id.is_not(None))
        .group_by(events.c.connection_id)
        .order_by(events.c.connection_id)
    )
    return tuple((row[0], int(row[1])) for row in tx.execute(query))


def create_channel(tx: Transaction, channel: Channel) -> None:
    """Keeps a new channel."""
    rows.put(tx, channels, channel)


def save_channel(tx: Transaction, channel: Channel) -> None:
    """Writes all that a channel has; raises UnknownName without one."""
    rows.replace_row(tx, channels, channel, what="channel")


def channel(tx: Transaction, channel_id: str) -> Channel:
    """Returns a channel; raises UnknownName without one."""
    found = rows.one(tx, Channel, select(channels).where(channels.c.id == channel_id))
    if found is None:
        raise rows.unknown("channel", channel_id)
    return found


def channels_of(tx: Transaction, workspace_id: str) -> tuple[Channel, ...]:
    """Returns the channels of a workspace, by name."""
    query = select(channels).where(channels.c.workspace_id == workspace_id)
    return rows.every(tx, Channel, query.order_by(channels.c.name, channels.c.id))


def delete_channel(tx: Transaction, channel_id: str) -> None:
    """Removes a channel and what is on its way to it."""
    tx.execute(delete(deliveries).where(deliveries.c.channel_id == channel_id))
    if not tx.execute(delete(channels).where(channels.c.id == channel_id)).rowcount:
        raise rows.unknown("channel", channel_id)


def take_deliveries(
    tx: Transaction, now: datetime, *, until: datetime, limit: int = 50
) -> tuple[Delivery, ...]:
    """Returns deliveries that are due, and keeps others from taking them before `until`."""
    query = (
        select(deliveries)
        .where(IS_PENDING, deliveries.c.next_at <= now)
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = rows.every(tx, Delivery, query)
    ids = [each.id for each in taken]
    if ids:
        tx.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(next_at=until))
    return taken


def has_due_delivery(tx: Transaction, now: datetime) -> bool:
    """Tells whether something is to be sent; takes no lock."""
    query = select(deliveries.c.id).where(IS_PENDING, deliveries.c.next_at <= now).limit(1)
    return tx.execute(query).first() is not None


def delivery(tx: Transaction, delivery_id: int) -> Delivery:
    """Returns a delivery; raises UnknownName without one."""
    found = rows.one(tx, Delivery, select(deliveries).where(deliveries.c.id == delivery_id))
    if found is None:
        raise rows.unknown("delivery", delivery_id)
    return found


def save_delivery(tx: Transaction, delivery: Delivery) -> None:
    """Writes what became of a delivery."""
    rows.replace_row(tx, deliveries, delivery, what="delivery")


def deliveries_of(tx: Transaction, channel_id: str, window: rows.Window) -> rows.Page[Delivery]:
    """Returns a channel's deliveries, the newest first."""
    query = select(deliveries).where(deliveries.c.channel_id == channel_id)
    return rows.page(
        tx, Delivery, query, keys=(deliveries.c.id,), window=window, is_descending=True
    )


def count_deliveries(tx: Transaction) -> dict[DeliveryStatus, int]:
    """Returns how many deliveries are kept, by status; every status is there."""
    query = select(deliveries.c.status, func.count()).group_by(deliveries.c.status)
    found = {row[0]: int(row[1]) for row in tx.execute(query)}
    return {status: found.get(status, 0) for status in DeliveryStatus}


def forget_before(tx: Transaction, moment: datetime) -> int:
    """Removes events, and deliveries that are over, of before a moment; returns how many."""
    ended = deliveries.c.status != DeliveryStatus.PENDING
    tx.execute(delete(deliveries).where(deliveries.c.created_at < moment, ended))
    return tx.execute(delete(events).where(events.c.at < moment)).rowcount


def _listening(tx: Transaction, event: Event) -> list[Channel]:
    query = select(channels).where(
        channels.c.workspace_id == event.workspace_id, channels.c.is_enabled
    )
    return [
        each
        for each in rows.every(tx, Channel, query)
        if "*" in each.events or event.kind in each.events
    ]
