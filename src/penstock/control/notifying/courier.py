"""The outbox on its way: sent, tried again later, given up in the end, never lost before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from penstock.control.errands import Errands
from penstock.control.history import Delivery, DeliveryStatus, Event
from penstock.control.house import House
from penstock.control.model import Channel
from penstock.control.notifying.channels import Channels
from penstock.control.notifying.messages import Message, message_of
from penstock.control.notifying.senders import send
from penstock.control.secrets import texts_of
from penstock.control.store import events
from penstock.errors import PenstockError, ResourceBusy, UnknownName
from penstock.sdk.config import masked_text

logger = logging.getLogger(__name__)

MOST_TRIES: Final = 10
FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(hours=6)
_TAKEN_FOR: Final = timedelta(minutes=2)
"""Longer than a sending takes; then it is another server's."""
_AT_ONCE: Final = 4


class Courier:
    """Sends what waits in the outbox, on threads of its own; runs never wait for it.

    A delivery is sent once more where a server dies between the sending and writing it down:
    receivers know that by the message's id.
    """

    def __init__(self, house: House, channels: Channels, *, public_url: str = "") -> None:
        self._house = house
        self._channels = channels
        self._public_url = public_url
        self.errands = Errands("courier", self._look, at_once=_AT_ONCE)

    def test(self, channel_id: str) -> None:
        """Sends a trial to a channel, now; raises what the other side says if it fails."""
        with self._house.store.read() as tx:
            channel = events.channel(tx, channel_id)
            trial = Event(
                at=self._house.clock(),
                kind="test",
                workspace_id=channel.workspace_id,
                data={"name": channel.name, "reason": "This is a trial of the channel."},
            )
            message = message_of(tx, trial, public_url=self._public_url)
        self._send(channel, replace(message, id=f"test_{self._house.clock().timestamp():.0f}"))

    def try_again(self, channel_id: str, delivery_id: int) -> Delivery:
        """Puts a delivery that was given up on its way again, and returns it.

        Raises ResourceBusy for one that is sent, or on its way.
        """
        with self._house.store.write() as tx:
            found = events.delivery(tx, delivery_id)
            if found.channel_id != channel_id:
                raise UnknownName(
                    f"There is no delivery {delivery_id} of this channel.",
                    remedy="List those there are.",
                )
            if found.status is not DeliveryStatus.FAILED:
                raise ResourceBusy(
                    f"The delivery is {found.status}.", remedy="Only one given up is sent again."
                )
            again = replace(
                found, status=DeliveryStatus.PENDING, tries=0, next_at=self._house.clock()
            )
            events.save_delivery(tx, again)
        self.errands.wake()
        return again

    def _look(self, room: int) -> list[Callable[[], None]]:
        now = self._house.clock()
        with self._house.store.read() as tx:
            if not events.has_due_delivery(tx, now):
                return []
        with self._house.store.write() as tx:
            taken = events.take_deliveries(tx, now, until=now + _TAKEN_FOR, limit=room)
        return [partial(self._deliver, each) for each in taken]

    def _deliver(self, delivery: Delivery) -> None:
        try:
            with self._house.store.read() as tx:
                channel = events.channel(tx, delivery.channel_id)
                event = events.get(tx, delivery.event_id)
                message = message_of(tx, event, public_url=self._public_url)
        except UnknownName as gone:
            self._end(delivery, replace(delivery, status=DeliveryStatus.FAILED), gone.message)
            return
        tried = replace(delivery, tries=delivery.tries + 1)
        try:
            self._send(channel, message)
        except PenstockError as error:
            self._put_off(tried, channel, error)
            return
        now = self._house.clock()
        self._end(delivery, replace(tried, status=DeliveryStatus.SENT, sent_at=now), None)

    def _put_off(self, tried: Delivery, channel: Channel, error: PenstockError) -> None:
        wait = min(FIRST_WAIT * 3 ** (tried.tries - 1), LONGEST_WAIT)
        kept = replace(tried, next_at=self._house.clock() + wait)
        if tried.tries >= MOST_TRIES:
            kept = replace(kept, status=DeliveryStatus.FAILED)
            said = {"channel": channel.name, "event": tried.event_id, "why": error.message}
            logger.warning("notification given up", extra=said)
        self._end(tried, kept, error.message)

    def _send(self, channel: Channel, message: Message) -> None:
        with self._house.store.read() as tx:
            config = self._channels.opened(tx, channel)
        texts = texts_of(config, channel.config)
        try:
            send(channel.kind, config, message, now=self._house.clock())
        except PenstockError as error:
            shown = masked_text(error.message, texts)
            raise type(error)(shown, remedy=error.remedy) from error

    def _end(self, before: Delivery, after: Delivery, error: str | None) -> None:
        with self._house.store.write() as tx:
            try:
                events.save_delivery(tx, replace(after, last_error=error))
            except UnknownName:  # its channel was deleted meanwhile
                logger.info("delivery is gone", extra={"delivery": before.id})
