"""How attempts and runs end, and what follows: retries, followers, pauses, the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from statistics import median
from typing import Any, Final

from penstock.control import enqueuing
from penstock.control.history import (
    AttemptStatus,
    Event,
    Failure,
    Run,
    RunKind,
    RunStatus,
    StreamFigures,
    Trigger,
)
from penstock.control.hooks.planning import plan_hooks
from penstock.control.lateness import is_unusual
from penstock.control.model import Connection, ConnectionStatus
from penstock.control.retries import (
    RetryLimits,
    is_to_be_disabled,
    is_to_be_warned,
    verdict,
)
from penstock.control.store import Transaction, connections, due, events, figures, leases
from penstock.control.store.leases import Ending
from penstock.errors import PenstockError, ResourceBusy, TransientError

_ORIGINS: Final = {"connector_failed": "source", "server_lost": "airbyte_platform"}


def failure_of(document: Mapping[str, Any]) -> Failure:
    """Returns an error's document as the reason of a failure."""
    code = str(document.get("code", "penstock_error"))
    return Failure(
        code=code,
        message=str(document.get("message", "The run failed.")),
        remedy=str(document.get("remedy", "")),
        failure_type=str(document.get("failure_type", "system_error")),
        origin=_ORIGINS.get(code, "replication"),
        context=dict(document.get("context") or {}),
    )


def failure_from(error: PenstockError) -> Failure:
    """Returns an error of our own as the reason of a failure."""
    return replace(failure_of(error.as_document()), origin="airbyte_platform")


def wait_asked_by(error: PenstockError | None) -> float | None:
    """Returns how long the other side asked to be left alone."""
    return error.wait_seconds if isinstance(error, TransientError) else None


SERVER_LOST: Final = Failure(
    code="server_lost",
    message="The server that ran this attempt is gone.",
    remedy="Nothing has to be done: the next attempt continues from the last committed state.",
    failure_type="transient_error",
    origin="airbyte_platform",
)


def succeed(tx: Transaction, run: Run, streams: tuple[StreamFigures, ...], *, now: datetime) -> Run:
    """Ends a run that is proved; starts those that follow it."""
    ending = Ending(
        attempt_status=AttemptStatus.SUCCEEDED, run_status=RunStatus.SUCCEEDED, streams=streams
    )
    ended = leases.end_attempt(tx, run, ending, now=now)
    connection = connections.get(tx, run.connection_id, with_deleted=True, for_update=True)
    had_failed = connection.failed_runs_in_row
    connections.save(
        tx,
        replace(connection, failed_runs_in_row=0, failing_since=None, last_succeeded_at=now),
    )
    _note(tx, "run.succeeded", ended, now, recovered=had_failed > 0)
    if ended.kind is RunKind.SYNC and ended.streams is None:
        before = figures.usual_rows(tx, run.connection_id, limit=11)[1:]
        if is_unusual(ended.rows_committed, before):
            _note(tx, "run.volume", ended, now, usual_rows=int(median(before)))
    plan_hooks(tx, ended, connection)
    _start_followers(tx, connection, now=now)
    return ended


def cancel(tx: Transaction, run: Run, streams: tuple[StreamFigures, ...], *, now: datetime) -> Run:
    """Ends a run that was asked to end."""
    failure = Failure(
        code="cancelled",
        message="The run was cancelled.",
        remedy="Run it again: it continues from the last committed state.",
        failure_type="manual_cancellation",
        origin="airbyte_platform",
    )
    ending = Ending(
        attempt_status=AttemptStatus.CANCELLED,
        run_status=RunStatus.CANCELLED,
        failure=failure,
        streams=streams,
    )
    ended = leases.end_attempt(tx, run, ending, now=now)
    _note(tx, "run.cancelled", ended, now)
    plan_hooks(tx, ended, connections.get(tx, run.connection_id, with_deleted=True))
    return ended


def note_cancelled(tx: Transaction, run: Run, *, now: datetime) -> None:
    """Tells of a run that was cancelled before a server had begun it."""
    _note(tx, "run.cancelled", run, now)


def fail(
    tx: Transaction,
    run: Run,
    failure: Failure,
    streams: tuple[StreamFigures, ...] | None,
    *,
    limits: RetryLimits,
    now: datetime,
    wait_seconds: float | None = None,
    counts: bool = True,
) -> Run:
    """Ends a failed attempt; the run waits for the next one, or is over.

    Without `counts` the failure is nobody's (a server that was stopped): the next attempt comes
    at once, however many there were.
    """
    found = leases.require_held(tx, run)
    made_progress = bool(streams) and any(each.rows_committed for each in streams or ())
    if streams is None:
        made_progress = found.rows_committed > leases.committed_before(tx, run)
    decided = verdict(
        found,
        failure,
        made_progress=made_progress,
        wait_seconds=wait_seconds,
        now=now,
        limits=limits,
    )
    not_before = decided.not_before
    counted_now = decided.counts if counts else None
    if not counts and found.cancel_requested_at is None:
        not_before = now
    if found.cancel_requested_at is not None:
        return cancel(tx, run, streams or (), now=now)
    ending = Ending(
        attempt_status=AttemptStatus.FAILED,
        run_status=RunStatus.FAILED if not_before is None else RunStatus.WAITING,
        failure=failure,
        not_before=not_before,
        streams=streams,
        counts=asdict(counted_now) if counted_now is not None else {},
    )
    ended = leases.end_attempt(tx, run, ending, now=now)
    if not_before is not None:
        _note(tx, "attempt.failed", ended, now, next_at=not_before.isoformat())
        return ended
    connection = connections.get(tx, run.connection_id, with_deleted=True, for_update=True)
    _note(tx, "run.failed", ended, now)
    plan_hooks(tx, ended, connection)
    _count_failure(tx, connection, now=now)
    return ended


def give_up(tx: Transaction, run: Run, *, limits: RetryLimits, now: datetime) -> Run:
    """Ends an attempt whose server is gone."""
    return fail(tx, run, SERVER_LOST, None, limits=limits, now=now)


def _count_failure(tx: Transaction, connection: Connection, *, now: datetime) -> None:
    in_row = connection.failed_runs_in_row + 1
    since = connection.failing_since or now
    changed = replace(connection, failed_runs_in_row=in_row, failing_since=since)
    if connection.status is ConnectionStatus.ACTIVE and is_to_be_disabled(in_row, since, now):
        changed = replace(
            changed,
            status=ConnectionStatus.INACTIVE,
            status_reason=f"Switched off after {in_row} failed runs in a row.",
            updated_at=now,
        )
        due.arrange(tx, connection.id, ())
        _note_connection(tx, "connection.disabled", changed, now)
    elif is_to_be_warned(in_row, since, now):
        _note_connection(tx, "connection.disable_warning", changed, now)
    connections.save(tx, changed)


def _start_followers(tx: Transaction, connection: Connection, *, now: datetime) -> None:
    followers = due.followers(tx, connection.id)
    known = due.connections_of(tx, followers)
    for slot in followers:
        follower = known.get(slot.connection_id)
        if follower is None or follower.status is not ConnectionStatus.ACTIVE:
            continue
        schedule = enqueuing.schedule_of(follower, slot.slot)
        try:
            enqueuing.enqueue(
                tx,
                follower,
                enqueuing.Request(trigger=Trigger.AFTER, streams=schedule.streams),
                now=now,
            )
        except ResourceBusy:  # it runs already: what it follows is in that run, or in the next
            _note_connection(tx, "run.skipped", follower, now)


def _note(tx: Transaction, kind: str, run: Run, now: datetime, **more: Any) -> None:
    data: dict[str, Any] = {
        "run_id": run.id,
        "kind": run.kind.value,
        "attempt": run.attempt,
        "status": run.status.value,
        "rows_committed": run.rows_committed,
        "bytes_committed": run.bytes_committed,
        "source_id": run.source_id,
        "destination_id": run.destination_id,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        **more,
    }
    if run.failure is not None:
        data["failure"] = run.failure
    event = Event(
        at=now,
        kind=kind,
        workspace_id=run.workspace_id,
        connection_id=run.connection_id,
        run_id=run.id,
        actor=run.cancelled_by if kind == "run.cancelled" else None,
        data=data,
    )
    events.note(tx, event)


def _note_connection(tx: Transaction, kind: str, connection: Connection, now: datetime) -> None:
    event = Event(
        at=now,
        kind=kind,
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        data={
            "name": connection.name,
            "failed_runs_in_row": connection.failed_runs_in_row,
            "failing_since": connection.failing_since,
            "reason": connection.status_reason,
        },
    )
    events.note(tx, event)
