"""Asking for runs, and keeping the schedule: what both people and the clock do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock.control.history import Event, RefreshMode, Run, RunKind, Trigger
from penstock.control.model import Connection, ConnectionStatus, Schedule, ScheduleKind
from penstock.control.schedule import next_time
from penstock.control.store import Transaction, due, events, runs
from penstock.errors import ConfigError, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a connection."""

    kind: RunKind = RunKind.SYNC
    refresh_mode: RefreshMode | None = None
    streams: tuple[tuple[str | None, str], ...] | None = None
    """(namespace, name); None: all that are chosen."""
    trigger: Trigger = Trigger.MANUAL
    requested_by: str | None = None
    priority: int | None = None
    """None takes the connection's."""


def enqueue(tx: Transaction, connection: Connection, request: Request, *, now: datetime) -> Run:
    """Keeps a run for the dispatcher; raises ResourceBusy when the connection has one already.

    Intervals of the connection count from this start, unless it is for some streams only.
    """
    _require_runnable(connection)
    _require_known(connection, request.streams)
    refresh_mode = request.refresh_mode
    if request.kind is RunKind.REFRESH and refresh_mode is None:
        refresh_mode = RefreshMode.TRUNCATE
    run = runs.enqueue(
        tx,
        Run(
            connection_id=connection.id,
            workspace_id=connection.workspace_id,
            source_id=connection.source_id,
            destination_id=connection.destination_id,
            kind=request.kind,
            refresh_mode=refresh_mode,
            streams=request.streams,
            trigger=request.trigger,
            requested_by=request.requested_by,
            priority=connection.priority if request.priority is None else request.priority,
            not_before=now,
            created_at=now,
            updated_at=now,
        ),
    )
    event = Event(
        at=now,
        kind="run.queued",
        workspace_id=run.workspace_id,
        connection_id=run.connection_id,
        run_id=run.id,
        actor=request.requested_by,
        data={"run_id": run.id, "kind": run.kind.value, "trigger": run.trigger.value},
    )
    events.note(tx, event)
    if request.streams is None:
        arrange(tx, connection, now=now, last_started=now)
    return run


def arrange(
    tx: Transaction, connection: Connection, *, now: datetime, last_started: datetime | None
) -> None:
    """Puts a connection's schedules in their places; one that is not active has none."""
    if connection.status is not ConnectionStatus.ACTIVE or connection.deleted_at is not None:
        due.arrange(tx, connection.id, ())
        return
    slots = []
    for number, schedule in enumerate((connection.schedule, *connection.stream_schedules)):
        if schedule.kind is ScheduleKind.MANUAL:
            continue
        slots.append(
            due.Slot(
                connection_id=connection.id,
                slot=number,
                next_at=next_time(
                    schedule, now=now, last_started=last_started, key=f"{connection.id}/{number}"
                ),
                after_id=schedule.after if schedule.kind is ScheduleKind.AFTER else None,
            )
        )
    due.arrange(tx, connection.id, slots)


def schedule_of(connection: Connection, slot: int) -> Schedule:
    """Returns the schedule in a slot: 0 is the connection's own."""
    schedules = (connection.schedule, *connection.stream_schedules)
    return schedules[slot] if slot < len(schedules) else Schedule()


def _require_runnable(connection: Connection) -> None:
    if connection.deleted_at is not None:
        raise UnknownName(
            f"The connection {connection.name} has been deleted.", remedy="Make a new one."
        )
    if connection.has_breaking_change:
        raise ConfigError(
            f"The source of {connection.name} has changed so that it cannot be read as before.",
            remedy="Look at the schema, choose keys and cursors again, and save the connection.",
        )
    if connection.status is not ConnectionStatus.ACTIVE:
        raise ConfigError(
            f"The connection {connection.name} is {connection.status}.",
            remedy="Switch it on, and run it then.",
        )


def _require_known(
    connection: Connection, streams: tuple[tuple[str | None, str], ...] | None
) -> None:
    if streams is None or connection.streams is None:
        return
    known = {choice.key for choice in connection.streams}
    unknown = [name for namespace, name in streams if (namespace or None, name) not in known]
    if unknown:
        raise UnknownName(
            f"{connection.name} has no stream {', '.join(unknown)}.",
            remedy="Choose from: " + ", ".join(sorted(name for _, name in known)[:20]) + ".",
        )
