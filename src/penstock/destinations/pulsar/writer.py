"""One stream into one topic: rows are held, sent at the commit, and counted as acknowledged."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pulsar
import pyarrow as pa

from penstock.destinations.pulsar.config import PulsarConfig
from penstock.destinations.pulsar.receipts import Receipts
from penstock.destinations.pulsar.records import Message, RowEncoder, refuse_another_kind
from penstock.errors import BugError, DataError, PenstockError, ProofFailed
from penstock.protocol.state import State
from penstock.sdk.destination import StreamPlan

if TYPE_CHECKING:
    from penstock.destinations.pulsar.session import PulsarSession

_log = logging.getLogger(__name__)
_MEGABYTE: Final = 1 << 20


@contextmanager
def pulsar_writer(
    session: PulsarSession, config: PulsarConfig, plan: StreamPlan, topic: str
) -> Iterator[PulsarWriter]:
    """Opens a stream's topic with the stream's schema; what is not committed is not sent."""
    writer = PulsarWriter(session, config, plan, topic)
    try:
        yield writer
    finally:
        writer.close()


class PulsarWriter:
    """Sends a stream's rows; a commit returns when a broker has acknowledged each of them.

    Up to `held_megabytes` rows wait for their commit, so that a sync which fails before has sent
    nothing of them. What was sent stays: a topic is a log.
    """

    def __init__(
        self, session: PulsarSession, config: PulsarConfig, plan: StreamPlan, topic: str
    ) -> None:
        self._session = session
        self._config = config
        self._plan = plan
        self._name = session.full_name(topic)
        self._rows = RowEncoder(plan, config.encoding)
        registered = self._rows.registered
        if registered is not None:
            known = session.registered(self._name)
            if known is not None:
                refuse_another_kind(known, registered, self._name)
        self._receipts = Receipts(
            limit_bytes=config.pending_megabytes * _MEGABYTE, patience_seconds=config.send_seconds
        )
        self._producer = session.producer(self._name, registered)
        self._cutting: pulsar.Producer | None = None
        """For rows larger than a message; opened when the first one comes."""
        self._held: deque[pa.RecordBatch] = deque()
        self._held_bytes = 0
        self._sent = 0
        """Rows since the last commit."""
        self._oversized = 0
        self._is_over = False

    def write(self, batch: pa.RecordBatch) -> None:
        self._refuse_if_over()
        with self._failing():
            rows = self._rows.land(batch)
        if not rows.num_rows:
            return
        self._held.append(rows)
        self._held_bytes += rows.nbytes
        if self._held_bytes > self._config.held_megabytes * _MEGABYTE:
            with self._failing():
                self._send_held()

    def commit(self, state: State | None) -> int:
        del state  # It is not stored in the topic: at least once.
        self._refuse_if_over()
        with self._failing():
            self._send_held()
            self._settle()
            delivered = self._receipts.take_delivered()
            if delivered != self._sent:
                raise ProofFailed(
                    f"Of {self._sent} rows of {self._plan.stream}, Pulsar acknowledged"
                    f" {delivered}.",
                    remedy="Run the sync again; if it happens again, report it.",
                    stream=self._plan.stream,
                )
        self._sent = 0
        self._tell_oversized()
        return delivered

    def finish(self, state: State | None) -> int:
        delivered = self.commit(state)
        self._is_over = True
        return delivered

    def close(self) -> None:
        """Drops what is held."""
        self._is_over = True
        self._held.clear()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever goes wrong within ends the writer: its rows are neither sent nor unsent."""
        try:
            yield
        except BaseException:
            self._is_over = True
            raise

    def _send_held(self) -> None:
        while self._held:
            rows = self._held.popleft()
            self._held_bytes -= rows.nbytes
            for message in self._rows.encode(rows):
                self._send(message)

    def _send(self, message: Message) -> None:
        size = len(message.content or b"") + len((message.key or "").encode())
        if size > self._session.most_bytes:
            self._send_oversized(message, size)
        else:
            self._hand_over(self._producer, message, size)
        self._sent += 1

    def _hand_over(self, producer: pulsar.Producer, message: Message, size: int) -> None:
        if not self._receipts.await_room(size):
            raise self._error("Timeout")
        if self._receipts.failure is not None:
            raise self._error(self._receipts.failure)
        told = self._receipts.expect(size)
        try:
            producer.send_async(
                message.content,
                told,
                partition_key=message.key,
                event_timestamp=message.event_at,
            )
        except pulsar.PulsarException as error:
            raise self._error(type(error).__name__) from error

    def _send_oversized(self, message: Message, size: int) -> None:
        """Sends a row that is larger than a message, after all before it and before all after."""
        if self._config.oversized == "fail":
            raise DataError(
                f"A row of {self._plan.stream} has {size} bytes; a message of this cluster has"
                f" {self._session.most_bytes}.",
                remedy="Set `oversized` to chunk or dead_letter, or leave the large column out.",
                stream=self._plan.stream,
                key=message.key,
            )
        if self._cutting is None:
            topic = self._name
            if self._config.oversized == "dead_letter":
                local = self._name.rsplit("/", 1)[-1]
                pattern = self._config.dead_letter_topic
                topic = self._session.full_name(pattern.replace("{topic}", local))
            self._cutting = self._session.producer(topic, self._rows.registered, cuts=True)
        self._settle()
        self._hand_over(self._cutting, message, size)
        self._settle()
        self._oversized += 1

    def _settle(self) -> None:
        """Returns when every message is acknowledged; raises the first failure."""
        failed = None
        for producer in (self._producer, self._cutting):
            if producer is None:
                continue
            try:
                producer.flush()
            except pulsar.PulsarException as error:
                failed = failed or error
        is_known = self._receipts.await_all()
        if self._receipts.failure is not None:
            raise self._error(self._receipts.failure) from failed
        if failed is not None:
            raise self._error(type(failed).__name__) from failed
        if not is_known:
            raise self._error("Timeout")

    def _error(self, name: str) -> PenstockError:
        lost = self._receipts.failures
        rows = f", {lost} rows of it" if lost else ""
        error = self._session.error(name, f"sending {self._plan.stream} to {self._name}{rows}")
        error.context.setdefault("stream", self._plan.stream)
        return error

    def _tell_oversized(self) -> None:
        if self._oversized:
            _log.warning(
                "rows larger than a message were sent",
                extra={
                    "stream": str(self._plan.stream),
                    "rows": self._oversized,
                    "how": self._config.oversized,
                },
            )
        self._oversized = 0

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise BugError(
                f"The writer of {self._plan.stream} was used after it had finished or failed.",
                remedy="Report it with the log of this sync.",
                stream=self._plan.stream,
            )
