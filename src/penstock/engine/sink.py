"""One stream's way into the destination: its writer, its newest state, what is uncommitted."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType

from penstock.data.items import Batch
from penstock.engine.events import CheckpointCommitted
from penstock.engine.ledger import StreamAccount
from penstock.engine.plan import StreamTask, complete_state
from penstock.engine.remember import Remembers
from penstock.engine.shaping.shaper import StreamShaper
from penstock.errors import ProofFailed
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.state import State
from penstock.sdk.destination import Destination, StreamPlan, WriteMode, Writer


class StreamSink:
    """Writes one stream and decides nothing: the sync loop says when to commit and publish.

    The writer is opened with the first row or state and closed by `publish` or `abandon`; a state
    that arrives after `publish` opens it once more.
    """

    def __init__(
        self,
        task: StreamTask,
        *,
        account: StreamAccount,
        destination: Destination,
        remembers: Remembers,
        shaper: StreamShaper | None = None,
    ) -> None:
        self.task = task
        self._shaper = shaper
        self.account = account
        self.status: StreamStatusKind | None = None
        self.is_published = False
        self.newest_state: State | None = None
        self.committed_state: State | None = None
        """The newest state that is durable with its rows, if this sync committed any."""
        self._destination = destination
        self._remembers = remembers
        self._context: AbstractContextManager[Writer] | None = None
        self._writer: Writer | None = None
        self._has_uncovered_rows = False
        self._has_uncommitted_state = False
        self._last_commit_at = time.monotonic()
        self._started_at: float | None = None
        self._ended_at: float | None = None

    @property
    def is_complete(self) -> bool:
        return self.status is StreamStatusKind.COMPLETE

    @property
    def seconds(self) -> float:
        """From the first sign of the stream to its end."""
        if self._started_at is None:
            return 0.0
        return (self._ended_at or time.monotonic()) - self._started_at

    @property
    def awaits_state(self) -> bool:
        """True while rows were written that no state covers and one is still to be expected."""
        return self._has_uncovered_rows and not self.task.is_full_refresh

    @property
    def can_commit(self) -> bool:
        """True when something is uncommitted, all of it is covered by a state, and parts count."""
        has_uncommitted = self.account.sent_since_commit > 0 or self._has_uncommitted_state
        return has_uncommitted and not self._has_uncovered_rows and self.task.commits_midway

    def start(self) -> None:
        """Notes the first sign of life of the stream."""
        if self._started_at is None:
            self._started_at = time.monotonic()

    def write(self, batch: Batch) -> None:
        """Hands rows to the writer; not durable yet."""
        if self.is_published:
            raise ProofFailed(
                f"Rows of {self.task.stream} arrived after the stream had been reported complete.",
                remedy="Report it to the connector's author; run the sync again.",
                stream=self.task.stream,
            )
        self.start()
        rows = self._shaper.apply(batch.rows) if self._shaper else batch.rows
        self.account.note_filtered(batch.rows.num_rows - rows.num_rows)
        writer = self._opened()
        if rows.num_rows:
            writer.write(rows)
        self.account.note_sent(rows, batch.wire_bytes)
        self._has_uncovered_rows = True

    def cover(self, state: State) -> None:
        """Takes a state that covers every row written so far."""
        self.start()
        self.newest_state = state
        self._has_uncovered_rows = False
        self._has_uncommitted_state = True

    def is_due(self, *, commit_bytes: int, commit_seconds: float) -> bool:
        """Tells whether enough was written, or long enough ago, for a commit of its own."""
        if not self.can_commit:
            return False
        waited = time.monotonic() - self._last_commit_at
        return self.account.bytes_since_commit >= commit_bytes or waited >= commit_seconds

    def commit(self, *, with_state: bool = True) -> CheckpointCommitted:
        """Makes rows and newest state durable together; the ledger proves the count.

        `with_state` False leaves the state to a global checkpoint.
        """
        size = self.account.bytes_since_commit
        started = time.monotonic()
        state = self.newest_state if with_state else None
        rows = self._opened().commit(state)
        if state is not None:
            self._remembers.stream(self.task, state, is_complete=False)
            self.committed_state = state
        return self._committed(rows, size, started)

    def publish(self) -> CheckpointCommitted:
        """Commits what is left and makes the stream visible as complete; closes the writer."""
        self.start()
        state = complete_state(self.task.stream) if self.task.is_full_refresh else self.newest_state
        size = self.account.bytes_since_commit
        started = time.monotonic()
        rows = self._opened().finish(state)
        self._remembers.stream(self.task, state, is_complete=True)
        self.committed_state = state
        event = self._committed(rows, size, started)
        self.is_published = True
        self._close(None)
        self._ended_at = time.monotonic()
        return event

    def commit_late_state(self, state: State) -> CheckpointCommitted | None:
        """Stores a state that came after the stream was published; a full refresh needs none."""
        self.newest_state = state
        if self.task.is_full_refresh:
            return None
        started = time.monotonic()
        rows = self._opened(_beside_published(self.task.plan)).finish(state)
        self._remembers.stream(self.task, state, is_complete=True)
        self.committed_state = state
        event = self._committed(rows, 0, started)
        self._close(None)
        return event

    def abandon(self, error: BaseException) -> None:
        """Rolls back what was not committed; what was, stays."""
        self._ended_at = time.monotonic()
        self._close(error)

    def _opened(self, plan: StreamPlan | None = None) -> Writer:
        if self._writer is None:
            self._context = self._destination.open(plan or self.task.plan)
            self._writer = self._context.__enter__()
            self._last_commit_at = time.monotonic()
        return self._writer

    def _committed(self, rows: int, size: int, started: float) -> CheckpointCommitted:
        now = time.monotonic()
        self._last_commit_at = now
        self._has_uncommitted_state = False
        self.account.note_committed(rows)
        return CheckpointCommitted(
            stream=self.task.stream, rows=rows, bytes=size, seconds=now - started
        )

    def _close(self, error: BaseException | None) -> None:
        context, self._context, self._writer = self._context, None, None
        if context is None:
            return
        if error is None:
            context.__exit__(None, None, None)
        else:
            trace: TracebackType | None = error.__traceback__
            context.__exit__(type(error), error, trace)


def _beside_published(plan: StreamPlan) -> StreamPlan:
    """Returns the plan for a last state after publishing: an overwrite would swap in nothing."""
    if not plan.mode.is_overwrite:
        return plan
    mode = WriteMode.APPEND_DEDUP if plan.mode.is_dedup else WriteMode.APPEND
    return replace(plan, mode=mode)
