"""The loop: read, write, commit, remember. Everything a sync promises is decided here."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import assert_never

from penstock.data.items import (
    Batch,
    Checkpoint,
    ConfigChange,
    Emptied,
    ErrorTrace,
    EstimateChange,
    Item,
    LogLine,
    StartsAnew,
    StatusChange,
    Undeclared,
)
from penstock.engine.buffer import Ended, ItemBuffer
from penstock.engine.events import (
    CheckpointCommitted,
    ConfigChanged,
    Event,
    LogEmitted,
    StreamProgress,
)
from penstock.engine.ledger import Ledger
from penstock.engine.plan import StreamTask
from penstock.engine.remember import Remembers
from penstock.engine.runners.runner import Reading
from penstock.engine.settings import SyncSettings
from penstock.engine.shaping.streams import Shaping
from penstock.engine.sink import StreamSink
from penstock.errors import (
    Cancelled,
    ConfigError,
    ConnectorFailed,
    PenstockError,
    ProofFailed,
    ProtocolError,
    TransientError,
)
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.messages import StreamStatusKind, TraceError
from penstock.protocol.state import State, StateType, without_stats
from penstock.sdk.destination import CommitsLater, LateCommit, Writable

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
"""Longest silence between two looks at the clock, at `stop`, and two progress events."""

_READER_JOIN_SECONDS = 30.0
"""How long a stopped source may take to let go of its thread before it is left behind."""

_TRACE_ERRORS: dict[str, type[PenstockError]] = {
    "config_error": ConfigError,
    "transient_error": TransientError,
}


class SyncLoop:
    """Moves the items of one reading into the destination, once.

    Iterate `events`; it raises what made the sync fail after rolling back what was not
    committed. When it returns, every stream is published and proved.
    """

    def __init__(
        self,
        *,
        tasks: Sequence[StreamTask],
        destination: Writable,
        ledger: Ledger,
        settings: SyncSettings,
        remembers: Remembers,
        stop: threading.Event,
        shaping: Shaping | None = None,
    ) -> None:
        shaping = shaping or Shaping()
        self.sinks = {
            task.stream: StreamSink(
                task,
                account=ledger[task.stream],
                destination=destination,
                remembers=remembers,
                shaper=shaping.shaper(task.stream),
            )
            for task in tasks
        }
        self._later = destination if isinstance(destination, CommitsLater) else None
        self._shared_handed_over: deque[State] = deque()
        self._ledger = ledger
        self._settings = settings
        self._remembers = remembers
        self._stop = stop
        self._errors: list[TraceError] = []
        self._estimates: dict[StreamDescriptor, int] = {}
        self._global: State | None = None
        self._global_is_uncommitted = False
        self._global_covers_all = False
        self._global_saved_at = time.monotonic()
        self._has_saved_global = False
        self._told: dict[StreamDescriptor, tuple[int, int, int, str]] = {}
        self._told_at = 0.0

    def events(self, reading: Reading) -> Iterator[Event]:
        """Runs the sync, yielding what happens."""
        buffer = ItemBuffer(self._settings.buffer_bytes)
        reader = threading.Thread(
            target=self._read, args=(reading, buffer), name="penstock-reader", daemon=True
        )
        reader.start()
        try:
            yield from self._drain(buffer)
        except Exception as error:
            reading.stop()
            buffer.close()
            try:
                yield from self._hear_last()
            finally:
                self._abandon(error)
            raise
        except BaseException as error:
            reading.stop()
            buffer.close()
            self._abandon(error)
            raise
        finally:
            buffer.close()
            reader.join(timeout=_READER_JOIN_SECONDS)
        yield from self._progress(is_final=True)

    def progress(self) -> Iterator[StreamProgress]:
        """Yields where every stream stands, whether or not it changed."""
        self._told.clear()
        yield from self._progress(is_final=True)

    def _read(self, reading: Reading, buffer: ItemBuffer) -> None:
        error: Exception | None = None
        try:
            for item in reading:
                if isinstance(item, Batch) and item.stream in self.sinks:
                    account = self._ledger[item.stream]
                    account.note_read(item.rows.num_rows, item.wire_bytes)
                if not buffer.put(item):
                    return
        except Exception as raised:  # noqa: BLE001  the connector boundary: re-raised by the writer
            error = raised
        buffer.put(Ended(error))

    def _drain(self, buffer: ItemBuffer) -> Iterator[Event]:
        while True:
            if self._stop.is_set():
                yield from self._keep_covered()
                raise Cancelled(
                    "The sync was stopped.",
                    remedy="Run it again: it continues from the last committed state.",
                )
            item = buffer.take(timeout_seconds=_TICK_SECONDS)
            if isinstance(item, Ended):
                yield from self._end(item)
                return
            if item is not None:
                yield from self._handle(item)
            yield from self._commit_due()
            if self._later is not None:
                yield from self._hear(self._later.heard())
            yield from self._progress()

    def _hear(self, heard: Sequence[LateCommit | LogLine]) -> Iterator[Event]:
        """Takes what a destination tells that commits when it sees fit."""
        for said in heard:
            if isinstance(said, LogLine):
                yield from self._handle(said)
            elif said.stream is not None:
                yield self.sinks[said.stream].told(said.rows)
            else:
                shared = self._shared_handed_over.popleft()
                self._remembers.shared(shared)
                yield CheckpointCommitted(
                    stream=None, rows=0, bytes=0, seconds=0.0, state=without_stats(shared)
                )

    def _hear_last(self) -> Iterator[Event]:
        """Takes what a destination told before the sync failed: those commits are durable."""
        if self._later is None:
            return
        try:
            yield from self._hear(self._later.heard())
        except PenstockError as error:
            logger.info("destination ended", extra={"why": error.message})

    def _handle(self, item: Item) -> Iterator[Event]:
        match item:
            case Batch():
                yield from self._publish_settled(except_for=item.stream)
                self._write(item)
            case Checkpoint():
                yield from self._checkpoint(item)
            case StatusChange():
                yield from self._publish_settled(except_for=item.stream)
                self._note_status(item)
            case StartsAnew() | Emptied():
                yield from self._take_back(item)
            case LogLine():
                yield LogEmitted(level=item.level, message=item.message, origin=item.origin)
            case ErrorTrace():
                self._errors.append(item.error)
                yield LogEmitted(level="ERROR", message=item.error.message, origin="source")
            case ConfigChange():
                yield ConfigChanged(origin="source", config=item.config)
            case EstimateChange():
                estimate = item.estimate
                if estimate.row_estimate is not None:
                    stream = StreamDescriptor(estimate.name, estimate.namespace or None)
                    self._estimates[stream] = int(estimate.row_estimate)
            case Undeclared():
                if item.stream in self.sinks:
                    self._ledger[item.stream].note_undeclared(item.properties)
            case _:
                assert_never(item)

    def _write(self, batch: Batch) -> None:
        sink = self.sinks.get(batch.stream)
        if sink is None:
            return
        self._global_covers_all = False
        sink.write(batch)

    def _take_back(self, item: StartsAnew | Emptied) -> Iterator[Event]:
        """Lets go of rows that came before: of an earlier attempt, or all of them."""
        if isinstance(item, StartsAnew):
            yield from self._start_anew(item)
        else:
            yield from self._empty(item.stream)

    def _empty(self, stream: StreamDescriptor) -> Iterator[Event]:
        """Empties a table that was emptied at the source; where history is kept, it stays."""
        sink = self.sinks.get(stream)
        if sink is None:
            return
        level, what = "WARN", "the rows appended before stay"
        if sink.task.plan.mode.is_dedup:
            self._global_covers_all = False
            sink.empty()
            level, what = "INFO", "so its table is emptied, too"
        message = f"{stream} was emptied at the source; {what}."
        yield LogEmitted(level=level, message=message, origin="source")

    def _note_status(self, item: StatusChange) -> None:
        sink = self.sinks.get(item.stream)
        if sink is None:
            return
        sink.start()
        sink.status = item.status

    def _start_anew(self, item: StartsAnew) -> Iterator[Event]:
        sink = self.sinks.get(item.stream)
        if sink is not None:
            sink.start_anew()
        yield LogEmitted(level="WARN", message=f"{item.reason} It is read anew.", origin="penstock")

    def _checkpoint(self, item: Checkpoint) -> Iterator[Event]:
        if item.state.kind is not StateType.STREAM:
            self._ledger.prove_global_claims(item.claims)
            self._global = item.state
            self._global_is_uncommitted = True
            self._global_covers_all = True
            return
        stream = item.state.descriptor
        sink = self.sinks.get(stream) if stream else None
        if sink is None:
            return
        sink.account.prove_claims(item.claims)
        if sink.is_published:
            yield from _told(sink.commit_late_state(item.state))
            return
        sink.cover(item.state)

    def _commit_due(self) -> Iterator[Event]:
        bytes_due, seconds_due = self._settings.commit_bytes, self._settings.commit_seconds
        if self._global is not None:
            if self._global_is_due(bytes_due, seconds_due):
                yield from self._commit_global()
            return
        for sink in self.sinks.values():
            if sink.is_due(commit_bytes=bytes_due, commit_seconds=seconds_due):
                yield from _told(sink.commit())

    @property
    def _can_commit_global(self) -> bool:
        is_whole = self._later is None or all(s.task.commits_midway for s in self.sinks.values())
        return self._global_covers_all and self._global_is_uncommitted and is_whole

    def _global_is_due(self, bytes_due: int, seconds_due: float) -> bool:
        if not self._can_commit_global:
            return False
        accounts = [sink.account for sink in self.sinks.values()]
        if not self._has_saved_global and not any(each.sent_since_commit for each in accounts):
            # Where a source begins to look: told before its rows, durable before they are.
            return True
        waiting = sum(account.bytes_since_commit for account in accounts)
        return waiting >= bytes_due or time.monotonic() - self._global_saved_at >= seconds_due

    def _commit_global(self) -> Iterator[Event]:
        """The barrier: every writer commits, then the state that covers them all is saved."""
        if self._global is None:
            return
        for sink in self.sinks.values():
            if sink.has_uncommitted_work:
                yield from _told(sink.commit(with_state=False))
        started = time.monotonic()
        self._global_is_uncommitted = False
        self._has_saved_global = True
        self._global_saved_at = started
        if self._later is not None:
            self._later.hand_over_shared(self._global)
            self._shared_handed_over.append(self._global)
            return
        self._remembers.shared(self._global)
        yield CheckpointCommitted(
            stream=None,
            rows=0,
            bytes=0,
            seconds=time.monotonic() - started,
            state=without_stats(self._global),
        )

    def _publish_settled(self, *, except_for: StreamDescriptor) -> Iterator[Event]:
        """Publishes streams that are complete once the source has gone on to another one.

        Not at COMPLETE itself: the CDK sends a stream's last state after it.
        """
        if self._global is not None:
            return
        for stream, sink in self.sinks.items():
            is_settled = sink.is_complete and not sink.is_published and not sink.awaits_state
            if is_settled and stream != except_for:
                yield from _told(sink.publish())

    def _end(self, ended: Ended) -> Iterator[Event]:
        """The source has ended: publishes what is complete, then fails if anything is not."""
        failure = self._failure_of(ended)
        says_nothing = all(sink.status is None for sink in self.sinks.values())
        whole = failure is None and says_nothing
        open_sinks = [sink for sink in self.sinks.values() if not sink.is_published]
        publishable = [
            sink
            for sink in open_sinks
            if whole or (sink.is_complete and (failure is None or not sink.awaits_state))
        ]
        if self._global is not None and failure is not None:
            publishable = []
        for sink in publishable:
            yield from _told(sink.publish(with_state=self._global is None))
        if self._global is not None and failure is None:
            yield from self._commit_global()
        unfinished = [s for s in self.sinks.values() if not s.is_published]
        if failure is None and unfinished:
            failure = _unfinished(unfinished)
        if failure is not None:
            if not isinstance(failure, ProofFailed):
                yield from self._keep_covered()
                yield from self._end_unfinished(unfinished)
            raise failure
        if self._later is not None:
            for heard in self._later.end():
                yield from self._hear(heard)
                yield from self._progress()
        for sink in self.sinks.values():
            sink.account.prove_whole()

    def _end_unfinished(self, unfinished: Sequence[StreamSink]) -> Iterator[Event]:
        """Lets a destination that commits later keep what a failed sync handed over.

        Not where an overwrite is unfinished: an end of the data might publish half of it.
        """
        if self._later is None or any(s.task.plan.mode.is_overwrite for s in unfinished):
            return
        try:
            for heard in self._later.end([sink.task.stream for sink in unfinished]):
                yield from self._hear(heard)
        except PenstockError as error:
            logger.info("destination ended with the failed sync", extra={"why": error.message})

    def _keep_covered(self) -> Iterator[Event]:
        """Commits what a state covers before a failed sync ends: the next one starts from there.

        A destination that commits later is not waited for when the sync is to stop.
        """
        if self._later is not None and self._stop.is_set():
            return
        if self._global is not None:
            if self._can_commit_global:
                yield from self._commit_global()
            return
        for sink in self.sinks.values():
            if not sink.is_published and sink.can_commit:
                yield from _told(sink.commit())

    def _failure_of(self, ended: Ended) -> Exception | None:
        if ended.error is not None:
            return ended.error
        if not self._errors:
            return None
        first = self._errors[0]
        kind = _TRACE_ERRORS.get(first.failure_type or "", ConnectorFailed)
        where = f" (stream {first.stream_descriptor})" if first.stream_descriptor else ""
        return kind(
            f"The source reported an error{where}: {first.message}",
            remedy="Mend what it names and run the sync again;"
            " it continues from the last committed state.",
            internal_message=first.internal_message,
        )

    def _abandon(self, error: BaseException) -> None:
        """Rolls every open writer back; a failure to do so is logged, the first error stays."""
        for sink in self.sinks.values():
            if sink.is_published:
                continue
            try:
                sink.abandon(error)
            except PenstockError:
                logger.warning("rollback failed", extra={"stream": str(sink.task.stream)})

    def _progress(self, *, is_final: bool = False) -> Iterator[StreamProgress]:
        now = time.monotonic()
        if not is_final and now - self._told_at < _TICK_SECONDS:
            return
        self._told_at = now
        for stream, sink in self.sinks.items():
            account = sink.account
            status = status_of(sink)
            figures = (account.rows_read, account.rows_sent, account.rows_committed, status)
            if self._told.get(stream) == figures:
                continue
            self._told[stream] = figures
            yield StreamProgress(
                stream=stream,
                rows_read=account.rows_read,
                rows_sent=account.rows_sent,
                rows_committed=account.rows_committed,
                bytes_read=account.bytes_read,
                estimated_rows=self._estimates.get(stream),
                status=status,
            )


def _told(event: CheckpointCommitted | None) -> Iterator[Event]:
    """Yields a commit that is durable already; others are told later."""
    if event is not None:
        yield event


def status_of(sink: StreamSink) -> str:
    """Returns the stream's status for people: waiting, running, complete or incomplete."""
    if sink.is_settled:
        return "complete"
    if sink.status is StreamStatusKind.INCOMPLETE:
        return "incomplete"
    return "running" if sink.seconds or sink.account.rows_read else "waiting"


def _unfinished(sinks: Sequence[StreamSink]) -> PenstockError:
    silent = [str(sink.task.stream) for sink in sinks if sink.status is None]
    started = [str(sink.task.stream) for sink in sinks if sink.status is not None]
    if started:
        return ProofFailed(
            f"The source ended without completing {', '.join(started)}.",
            remedy="Run the sync again: it continues from the last committed state;"
            " the log tells what the source was doing.",
        )
    return ProtocolError(
        f"The source never started {', '.join(silent)}.",
        remedy="Discover the source again: the stream may be gone;"
        " leave it out with --streams, or restore it.",
    )
