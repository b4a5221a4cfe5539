"""One attempt, from its document to its end: follows the runner and writes down what it says."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from penstock.control import documents, outcomes
from penstock.control.documents import (
    CheckpointCommitted,
    ConfigChanged,
    LogEmitted,
    StreamProgress,
    SyncFinished,
    SyncStarted,
)
from penstock.control.history import Attempt, Failure, Run, StreamFigures, StreamState
from penstock.control.house import House
from penstock.control.launchers.launcher import Job
from penstock.control.logs import AttemptLog
from penstock.control.observing.watchers import Moment
from penstock.control.preparing import Prepared, keep_changed_config, prepare
from penstock.control.store import Transaction, leases, runs, states
from penstock.errors import PenstockError, ResourceExhausted, Superseded, TransientError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import encode

logger = logging.getLogger(__name__)

_FLUSH_SECONDS: Final = 1.0
_TAIL_LINES: Final = 20
_DATABASE_PATIENCE_SECONDS: Final = 300.0
_MAY_PASS: Final = (TransientError, ResourceExhausted)
"""Of the database: it is away, or its disk is full; what the attempt says waits for it."""
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


@dataclass(slots=True)
class _Pending:
    """What the runner said and the store does not know yet."""

    streams: dict[StreamDescriptor, StreamFigures] = field(default_factory=dict)
    states: dict[StreamDescriptor | None, StreamState] = field(default_factory=dict)
    configs: list[Mapping[str, Any]] = field(default_factory=list)
    has_begun: bool = False
    is_changed: bool = False


class AttemptRunner:
    """Runs one attempt on a thread of its own; the dispatcher looks after it.

    Whatever happens, the attempt ends in the store exactly once, unless another server has taken
    the run over: then this one kills its runner and says nothing more.
    """

    def __init__(self, house: House, run: Run, attempt: Attempt) -> None:
        self.run = run
        self._house = house
        self._attempt = attempt
        self._job: Job | None = None
        self._turn = threading.Lock()
        self._stop_reason: Failure | None = None
        self._is_cancelled = False
        self._is_shutdown = False
        self._stop_asked_at: float | None = None
        self._began_at = time.monotonic()
        self._heard_at = time.monotonic()
        self._started_at: float | None = None
        self._committed_before = 0
        self._pending = _Pending()
        self._flushed_at = 0.0
        self._receipt: SyncFinished | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def execute(self) -> None:
        """Runs the attempt to its end; raises nothing."""
        try:
            self._execute()
        except Superseded as error:
            self._kill()
            logger.warning("attempt given up", extra={"run": self.run.id, "why": error.message})
        except Exception:
            self._kill()
            # The lease runs out, and the reconciler ends the attempt.
            logger.exception("attempt lost", extra={"run": self.run.id})

    def cancel(self) -> None:
        """Asks the runner to end because somebody cancelled the run; returns at once."""
        with self._turn:
            self._is_cancelled = True
            self._ask_to_stop()

    def shut_down(self) -> None:
        """Asks the runner to end because the server is stopping; the run goes on later."""
        with self._turn:
            self._is_shutdown = True
            self._ask_to_stop()

    def abandon(self) -> None:
        """Kills the runner: the run is another server's now."""
        self._kill()

    def look(self) -> None:
        """Ends what takes too long; called every now and then."""
        patience = self._house.patience
        now = time.monotonic()
        with self._turn:
            if self._stop_asked_at is not None:
                if now - self._stop_asked_at > patience.stop_seconds and self._job is not None:
                    self._job.kill()
                return
            reason = None
            started_at = self._started_at
            if started_at is None and now - self._began_at > patience.start_seconds:
                reason = _timed_out("did not start", patience.start_seconds)
            elif now - self._heard_at > patience.silence_seconds:
                reason = _timed_out("said nothing", patience.silence_seconds)
            elif started_at is not None and now - started_at > patience.run_seconds:
                reason = _timed_out("did not end", patience.run_seconds)
            if reason is not None:
                self._stop_reason = reason
                self._ask_to_stop()

    def _execute(self) -> None:
        path = self._house.log_folder / self._attempt.log_name
        self._house.note(Moment.BEGAN, self.run)
        try:
            prepared = prepare(self._house, self.run, held=self._hold)
            with self._house.store.read() as tx:
                self._committed_before = leases.committed_before(tx, self.run)
            opened = AttemptLog(path, secrets=prepared.secrets)
        except PenstockError as error:
            # Where there is no room for a log, the run itself tells what was wrong.
            with suppress(ResourceExhausted), AttemptLog(path, secrets=frozenset()) as log:
                log.write(self._now(), "ERROR", str(error))
            # What was asked to stop has nothing to say for itself.
            self._end(None if self._stop_asked_at is not None else error)
            return
        with opened as log:
            log.write(self._now(), "INFO", f"Attempt {self.run.attempt} of run {self.run.id}.")
            problem: PenstockError | None = None
            try:
                self._follow(prepared, log)
            except Superseded:
                raise
            except PenstockError as error:
                problem = error
            self._end(problem)

    def _hold(self, job: Job) -> None:
        with self._turn:
            self._job = job
            if self._stop_asked_at is not None:
                job.kill()

    def _follow(self, prepared: Prepared, log: AttemptLog) -> None:
        with self._turn:
            if self._stop_asked_at is not None:
                return
            self._job = self._house.launcher.submit(prepared.document, self.run.engine_id)
        job = self._job
        complaints = threading.Thread(
            target=self._keep_complaints, args=(job, log), name=f"run-{self.run.id}-stderr"
        )
        complaints.start()
        try:
            for line in job.lines():
                self._heard_at = time.monotonic()
                self._take(line, log)
                if time.monotonic() - self._flushed_at >= _FLUSH_SECONDS:
                    self._flush_if_possible()
        except BaseException:
            job.kill()
            raise
        finally:
            status = job.wait()
            complaints.join()
        if self._receipt is None and not (self._is_cancelled or self._is_shutdown):
            log.write(self._now(), "ERROR", f"The runner ended with status {status}.")

    def _take(self, line: bytes, log: AttemptLog) -> None:
        event = documents.read_event(line)
        pending = self._pending
        match event:
            case SyncStarted():
                self._started_at = time.monotonic()
                pending.has_begun = True
                pending.is_changed = True
                log.write(self._now(), "INFO", f"{event.source}: {len(event.streams)} streams.")
                self._flush_if_possible()
            case StreamProgress():
                pending.streams[event.stream] = self._figures(event)
                pending.is_changed = True
            case CheckpointCommitted():
                self._note_commit(event)
                self._flush_if_possible()
            case LogEmitted():
                log.write(self._now(), event.level, event.message, origin=event.origin)
            case ConfigChanged():
                pending.configs.append(event.config)
                self._flush_if_possible()
            case SyncFinished():
                self._receipt = event
            case _:
                text = line.decode(errors="replace").rstrip("\n")
                log.write(self._now(), "WARN", f"The runner said something unknown: {text}")

    def _figures(self, event: StreamProgress) -> StreamFigures:
        known = self._pending.streams.get(event.stream)
        return StreamFigures(
            name=event.stream.name,
            namespace=event.stream.namespace,
            status=event.status,
            rows_read=event.rows_read,
            rows_sent=event.rows_sent,
            rows_committed=event.rows_committed,
            bytes_read=event.bytes_read,
            bytes_committed=known.bytes_committed if known else 0,
            estimated_rows=event.estimated_rows,
            checkpoints=known.checkpoints if known else 0,
        )

    def _note_commit(self, event: CheckpointCommitted) -> None:
        pending = self._pending
        pending.is_changed = True
        if event.stream is not None:
            known = pending.streams.get(event.stream) or StreamFigures(
                name=event.stream.name, namespace=event.stream.namespace
            )
            pending.streams[event.stream] = replace(
                known,
                rows_committed=known.rows_committed + event.rows,
                bytes_committed=known.bytes_committed + event.bytes,
                checkpoints=known.checkpoints + 1,
            )
        if event.state is None:
            return
        stream = event.stream
        if stream is not None and event.state.stream is not None:
            text = bytes(event.state.stream.stream_state).decode()
        else:
            stream = None
            text = encode(event.state).decode()
        pending.states[stream] = StreamState(
            connection_id=self.run.connection_id,
            name=stream.name if stream else "",
            namespace=stream.namespace if stream else None,
            state=text,
            generation_id=event.generation_id,
            run_id=self.run.id,
            fence=self.run.fence,
            updated_at=self._now(),
        )

    def _flush_if_possible(self) -> None:
        """Writes what is pending; a database that is away, or full, is tried again later."""
        self._flushed_at = time.monotonic()
        if not self._pending.is_changed and not self._pending.configs:
            return
        try:
            with self._house.store.write() as tx:
                self._write_pending(tx)
        except _MAY_PASS as error:
            logger.warning("progress not written", extra={"run": self.run.id, "why": error.message})
            return
        self._forget_pending()

    def _write_pending(self, tx: Transaction) -> None:
        pending = self._pending
        now = self._now()
        if pending.has_begun:
            leases.note_begun(tx, self.run, now=now)
            states.settle_overrides(tx, self.run.connection_id, now=now)
        leases.note_progress(
            tx, self.run, tuple(pending.streams.values()), before=self._committed_before, now=now
        )
        for state in pending.states.values():
            states.save(tx, state)
        for config in pending.configs:
            keep_changed_config(tx, self._house, self.run, config, now=now)

    def _forget_pending(self) -> None:
        self._pending.states = {}
        self._pending.configs = []
        self._pending.has_begun = False
        self._pending.is_changed = False

    def _end(self, error: PenstockError | None) -> None:
        """Ends the attempt in the store, however long that takes to be possible."""
        deadline = time.monotonic() + _DATABASE_PATIENCE_SECONDS
        while True:
            try:
                with self._house.store.write() as tx:
                    self._end_in(tx, error)
            except _MAY_PASS as away:
                if time.monotonic() > deadline:
                    raise
                logger.warning("end not written", extra={"run": self.run.id, "why": away.message})
                time.sleep(1.0)
            else:
                self._house.note(Moment.ENDED, self.run)
                return

    def _end_in(self, tx: Transaction, error: PenstockError | None) -> None:
        now = self._now()
        # A database that went away may have kept the end all the same: it is not written twice.
        leases.require_held(tx, self.run)
        if self._pending.is_changed or self._pending.configs:
            self._write_pending(tx)
        streams = tuple(self._pending.streams.values())
        receipt = self._receipt
        summary = receipt.summary if receipt is not None else None
        if receipt is not None:
            text = bytes(receipt.receipt).decode()
            runs.keep_receipt(tx, self.run.id, self.run.attempt, text, ended_at=now)
        if error is None and summary is not None and summary.outcome == "succeeded":
            outcomes.succeed(tx, self.run, streams, now=now)
        elif self._is_cancelled:
            outcomes.cancel(tx, self.run, streams, now=now)
        else:
            outcomes.fail(
                tx,
                self.run,
                self._failure(error, summary),
                streams,
                limits=self._house.retries,
                now=now,
                wait_seconds=outcomes.wait_asked_by(error),
                counts=not self._is_shutdown,
            )

    def _failure(
        self, error: PenstockError | None, summary: documents.ReceiptSummary | None
    ) -> Failure:
        if error is not None:
            return outcomes.failure_from(error)
        if self._stop_reason is not None:
            return self._stop_reason
        if self._is_shutdown:
            return replace(outcomes.SERVER_LOST, message="The server was stopped.")
        if summary is not None:
            return outcomes.failure_of(summary.error or {})
        last = f" Its last words: {' | '.join(self._tail)}" if self._tail else ""
        return Failure(
            code="runner_lost",
            message=f"The runner ended without a receipt.{last}",
            remedy="Look at the log. If the kernel killed it, give the machine more memory.",
            failure_type="system_error",
            origin="airbyte_platform",
        )

    def _keep_complaints(self, job: Job, log: AttemptLog) -> None:
        for line in job.complaints():
            word, _, rest = line.partition(":")
            is_level = word in _LEVELS and bool(rest)
            text = rest.strip() if is_level else line
            if text:
                self._tail.append(text)
                log.write(self._now(), word if is_level else "INFO", text)

    def _ask_to_stop(self) -> None:
        if self._stop_asked_at is None:
            self._stop_asked_at = time.monotonic()
            if self._job is None:
                return
            if self._started_at is not None:
                self._job.stop()
            else:
                self._job.kill()  # nothing has been read: there is nothing to keep

    def _kill(self) -> None:
        with self._turn:
            if self._job is not None:
                self._job.kill()

    def _now(self) -> datetime:
        return self._house.clock()


def _timed_out(what: str, seconds: float) -> Failure:
    return Failure(
        code="timed_out",
        message=f"The runner {what} for {seconds:.0f} seconds.",
        remedy="Look at the log for what it was waiting for; the next attempt continues.",
        failure_type="heartbeat_timeout",
        origin="airbyte_platform",
    )
