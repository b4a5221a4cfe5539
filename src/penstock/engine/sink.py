"""One stream's way into the destination: its writer, its newest state, what is uncommitted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType

from penstock.data.items import Batch
from penstock.engine.events import CheckpointCommitted
from penstock.engine.ledger import StreamAccount
from penstock.engine.plan import StreamTask, complete_state
from penstock.engine.remember import Remembers
from penstock.engine.shaping.shaper import StreamShaper
from penstock.errors import ConfigError, ProofFailed, ProtocolError
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.state import State, without_stats
from penstock.sdk.destination import (
    CommitsLater,
    Empties,
    StreamPlan,
    Writable,
    WriteMode,
    Writer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HandedOver:
    """A commit that the destination has not told of yet."""

    rows: int
    bytes: int
    started: float
    state: State | None
    is_last: bool


class StreamSink:
    """Writes one stream and decides nothing: the sync loop says when to commit and publish.

    The writer is opened with the first row or state and closed by `publish` or `abandon`; a state
    that arrives after `publish` opens it once more. Where the destination commits later
    (`CommitsLater`), commits return None, and `told` makes of each what it became.
    """

    def __init__(
        self,
        task: StreamTask,
        *,
        account: StreamAccount,
        destination: Writable,
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
        self._was_emptied = False
        """True while the writer has emptied the table and not committed that."""
        self._last_commit_at = time.monotonic()
        self._commits_later = isinstance(destination, CommitsLater)
        self._handed_over: deque[_HandedOver] = deque()
        self._started_at: float | None = None
        self._ended_at: float | None = None

    @property
    def is_settled(self) -> bool:
        """True when the stream is published and all of it is durable."""
        return self.is_published and not self._handed_over

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
    def has_uncommitted_work(self) -> bool:
        """True when the writer did anything since its last commit."""
        return self.account.sent_since_commit > 0 or self._was_emptied

    @property
    def can_commit(self) -> bool:
        """True when something is uncommitted, all of it is covered by a state, and parts count."""
        has_uncommitted = self.account.sent_since_commit > 0 or self._has_uncommitted_state
        return has_uncommitted and not self._has_uncovered_rows and self.task.commits_midway

    def start(self) -> None:
        """Notes the first sign of life of the stream."""
        if self._started_at is None:
            self._started_at = time.monotonic()

    def start_anew(self) -> None:
        """Forgets what an earlier attempt had read: a writer opened from now on begins again."""
        if self._writer is not None:
            raise ProtocolError(
                f"{self.task.stream} begins anew after rows of it were written.",
                remedy="Report it to the connector's author; run the sync again.",
                stream=self.task.stream,
            )
        plan = replace(self.task.plan, resumes=False)
        self.task = replace(self.task, plan=plan, state=None)

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

    def empty(self) -> None:
        """Removes the stream's rows, those before this sync too; not durable yet.

        Raises ConfigError for a destination that cannot.
        """
        self.start()
        writer = self._opened()
        if not isinstance(writer, Empties):
            raise ConfigError(
                f"{self.task.stream} was emptied at the source, and this destination cannot empty"
                " its table within a sync.",
                remedy="Run the sync once with --full-refresh, or let the source skip that (its"
                " setting `truncates`).",
                stream=self.task.stream,
            )
        writer.empty()
        self._was_emptied = True
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

    def commit(self, *, with_state: bool = True) -> CheckpointCommitted | None:
        """Makes rows and newest state durable together; the ledger proves the count.

        `with_state` False leaves the state to a global checkpoint.
        """
        state = self.newest_state if with_state else None
        return self._committing(lambda writer: writer.commit(state), state, is_last=False)

    def publish(self, *, with_state: bool = True) -> CheckpointCommitted | None:
        """Commits what is left and makes the stream visible as complete; closes the writer.

        `with_state` False leaves the state to a global checkpoint, where commits come later.
        """
        self.start()
        state = complete_state(self.task.stream) if self.task.is_full_refresh else self.newest_state
        sent = None if self._commits_later and not with_state else state
        event = self._committing(lambda writer: writer.finish(sent), state, is_last=True)
        self.is_published = True
        self._close(None)
        self._ended_at = time.monotonic()
        return event

    def commit_late_state(self, state: State) -> CheckpointCommitted | None:
        """Stores a state that came after the stream was published; a full refresh needs none."""
        self.newest_state = state
        if self.task.is_full_refresh:
            return None
        self._opened(_beside_published(self.task.plan))
        event = self._committing(lambda writer: writer.finish(state), state, is_last=True)
        self._close(None)
        return event

    def told(self, rows: int | None) -> CheckpointCommitted:
        """Takes the destination's word that the oldest commit handed over is durable.

        `rows` is its own count; None where it does not say.
        """
        oldest = self._handed_over.popleft()
        if self.is_settled:
            self._ended_at = time.monotonic()
        return self._committed(oldest, oldest.rows if rows is None else rows)

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

    def _committing(
        self, commit: Callable[[Writer], int], state: State | None, *, is_last: bool
    ) -> CheckpointCommitted | None:
        """Commits, and notes what is durable now; returns None where it will be told later."""
        size, started = self.account.bytes_since_commit, time.monotonic()
        rows = commit(self._opened())
        handed = _HandedOver(
            rows=self.account.take_sent(), bytes=size, started=started, state=state, is_last=is_last
        )
        self._last_commit_at = time.monotonic()
        self._has_uncommitted_state = self._was_emptied = False
        if self._commits_later:
            self._handed_over.append(handed)
            return None
        return self._committed(handed, rows)

    def _committed(self, handed: _HandedOver, rows: int) -> CheckpointCommitted:
        self.account.note_committed(rows, handed.rows)
        if handed.state is not None or handed.is_last:
            self._remembers.stream(self.task, handed.state, is_complete=handed.is_last)
            self.committed_state = handed.state
        return CheckpointCommitted(
            stream=self.task.stream,
            rows=rows,
            bytes=handed.bytes,
            seconds=time.monotonic() - handed.started,
            state=without_stats(handed.state) if handed.state is not None else None,
            generation_id=self.task.plan.generation_id,
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
