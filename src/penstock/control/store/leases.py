"""Queries of those who run attempts: take a run, keep it, say how it goes, end it exactly once.

A server holds a run by a lease, and each attempt has a fence larger than all before. Whatever an
attempt writes is refused once the run's fence is another one: it has been given up meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select, text, update

from penstock.control.history import (
    Attempt,
    AttemptStatus,
    Failure,
    RefreshMode,
    Run,
    RunKind,
    RunStatus,
    StreamFigures,
)
from penstock.control.store import connections, rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import IS_ACTIVE, attempts, runs
from penstock.errors import Superseded

_CLAIM_LOCK: Final = 0x70656E73636C6169
_IS_RUNNING: Final = and_(IS_ACTIVE, runs.c.status == RunStatus.RUNNING)
_WAITS: Final = and_(IS_ACTIVE, runs.c.status.in_((RunStatus.QUEUED, RunStatus.WAITING)))


LONGEST_LEASE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many runs there may be at the same time."""

    per_server: int = 8
    per_workspace: int | None = None
    per_connector: int | None = None
    """Of each source, and of each destination."""
    of_connector: Mapping[str, int] = field(default_factory=dict)
    """By connector's id, instead of `per_connector`."""


def claim(
    tx: Transaction, owner: str, *, now: datetime, lease_until: datetime, limits: Limits
) -> tuple[Run, Attempt] | None:
    """Takes the run that waits first and is within the limits; begins its next attempt."""
    if tx.dialect.name == "postgresql":
        # Counting and taking must be one step among servers; SQLite's write lock is that already.
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CLAIM_LOCK})
    running = _running(tx)
    if sum(1 for each in running if each.lease_owner == owner) >= limits.per_server:
        return None
    query = (
        select(runs)
        .where(_WAITS, runs.c.not_before <= now, *_within(limits, running))
        .order_by(runs.c.priority.desc(), runs.c.not_before, runs.c.id)
        .with_for_update(skip_locked=True)  # one that is being cancelled is not taken
    )
    run = rows.one(tx, Run, query)
    return None if run is None else _begin(tx, run, owner, now=now, lease_until=lease_until)


def has_waiting(tx: Transaction, now: datetime) -> bool:
    """Tells whether a run waits to be taken; asks without locking anybody out."""
    query = select(runs.c.id).where(_WAITS, runs.c.not_before <= now)
    return tx.execute(query.limit(1)).first() is not None


def renew(tx: Transaction, owner: str, *, lease_until: datetime) -> dict[int, Run]:
    """Keeps all runs of a server for longer; returns those it still holds."""
    mine = and_(_IS_RUNNING, runs.c.lease_owner == owner)
    # Also one that reaches further: it was given before the clock was put back.
    tx.execute(update(runs).where(mine).values(lease_until=lease_until))
    return {run.id: run for run in rows.every(tx, Run, select(runs).where(mine))}


def held(tx: Transaction, owner: str) -> dict[int, Run]:
    """Returns the runs a server holds, to see which are to be cancelled."""
    mine = and_(_IS_RUNNING, runs.c.lease_owner == owner)
    return {run.id: run for run in rows.every(tx, Run, select(runs).where(mine))}


def abandoned(tx: Transaction, owner: str, *, now: datetime) -> tuple[Run, ...]:
    """Returns running runs whose server has not kept them; not those of the server that asks.

    It knows by itself which of its own still run, whatever a clock that jumps makes of leases. A
    lease that reaches further than any server gives one was given before the clock was put back.
    """
    query = select(runs).where(
        _IS_RUNNING,
        runs.c.lease_owner != owner,
        or_(runs.c.lease_until < now, runs.c.lease_until > now + LONGEST_LEASE),
    )
    return rows.every(tx, Run, query)


def recall_from_future(tx: Transaction, *, now: datetime) -> int:
    """Lets runs that wait for a time the clock had before it was put back start now.

    Returns how many there were.
    """
    query = update(runs).where(_WAITS, runs.c.updated_at > now)
    return tx.execute(query.values(not_before=now, updated_at=now)).rowcount


def running_elsewhere(tx: Transaction, owner: str) -> tuple[Run, ...]:
    """Returns running runs of other servers: on SQLite, those of servers that are gone."""
    query = select(runs).where(_IS_RUNNING, runs.c.lease_owner != owner)
    return rows.every(tx, Run, query)


def require_held(tx: Transaction, run: Run) -> Run:
    """Returns the run as it is now; raises Superseded when this attempt has been given up."""
    query = select(runs).where(runs.c.id == run.id).with_for_update()
    found = rows.one(tx, Run, query)
    if found is None or found.fence != run.fence or found.status is not RunStatus.RUNNING:
        raise Superseded(
            f"Attempt {run.attempt} of run {run.id} has been given up.",
            remedy="Nothing has to be done: a newer attempt goes on, or the run is over.",
            run_id=run.id,
        )
    return found


def note_begun(tx: Transaction, run: Run, *, now: datetime) -> None:
    """Notes that what happens once in a run has happened: a retry does not repeat it."""
    require_held(tx, run)
    tx.execute(update(runs).where(runs.c.id == run.id).values(is_begun=True, updated_at=now))


def note_progress(
    tx: Transaction, run: Run, streams: tuple[StreamFigures, ...], *, before: int, now: datetime
) -> None:
    """Notes where an attempt stands; `before` is what earlier attempts have committed."""
    require_held(tx, run)
    committed, size = _totals(streams)
    tx.execute(
        update(attempts)
        .where(_is_attempt(run))
        .values(streams=streams, rows_committed=committed, bytes_committed=size, heard_at=now)
    )
    tx.execute(
        update(runs)
        .where(runs.c.id == run.id)
        .values(rows_committed=before + committed, updated_at=now)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended, and where its run goes from there."""

    attempt_status: AttemptStatus
    run_status: RunStatus
    failure: Failure | None = None
    not_before: datetime | None = None
    streams: tuple[StreamFigures, ...] | None = None
    """None keeps what was noted last."""
    counts: Mapping[str, int] = field(default_factory=dict)


def end_attempt(tx: Transaction, run: Run, ending: Ending, *, now: datetime) -> Run:
    """Ends an attempt, and its run unless it is tried again; happens once.

    Raises Superseded when somebody else has ended it.
    """
    found = require_held(tx, run)
    attempt: dict[str, Any] = {
        "status": ending.attempt_status,
        "failure": ending.failure,
        "ended_at": now,
    }
    if ending.streams is not None:
        committed, size = _totals(ending.streams)
        attempt |= {
            "streams": ending.streams,
            "rows_committed": committed,
            "bytes_committed": size,
            "heard_at": now,
        }
    tx.execute(update(attempts).where(_is_attempt(run)).values(attempt))
    total = _committed_by_all(tx, run.id)
    values: dict[str, Any] = {
        "status": ending.run_status,
        "failure": ending.failure,
        "not_before": ending.not_before or found.not_before,
        "lease_owner": None,
        "lease_until": None,
        "rows_committed": total[0],
        "bytes_committed": total[1],
        "updated_at": now,
        "ended_at": None if ending.run_status.is_active else now,
        **ending.counts,
    }
    tx.execute(update(runs).where(runs.c.id == run.id).values(values))
    return replace(found, **values)


def committed_before(tx: Transaction, run: Run) -> int:
    """Returns the rows that earlier attempts of a run have committed."""
    query = select(attempts.c.rows_committed).where(
        attempts.c.run_id == run.id, attempts.c.number < run.attempt
    )
    return sum(tx.execute(query).scalars())


def _running(tx: Transaction) -> tuple[Run, ...]:
    return rows.every(tx, Run, select(runs).where(_IS_RUNNING))


def _within(limits: Limits, running: Iterable[Run]) -> Iterator[ColumnElement[bool]]:
    """Yields what a run must not be of: workspaces and connectors that have all they may have.

    Asked of the database, so that no number of runs that must wait hides one that need not.
    """
    workspaces: Counter[str] = Counter()
    connectors: Counter[str] = Counter()
    for each in running:
        workspaces[each.workspace_id] += 1
        connectors.update((each.source_id, each.destination_id))
    if limits.per_workspace is not None:
        busy = [name for name, count in workspaces.items() if count >= limits.per_workspace]
        if busy:
            yield runs.c.workspace_id.not_in(busy)
    most = limits.of_connector
    full = [
        name
        for name in {*connectors, *most}
        if (limit := most.get(name, limits.per_connector)) is not None and connectors[name] >= limit
    ]
    if full:
        yield runs.c.source_id.not_in(full)
        yield runs.c.destination_id.not_in(full)


def _begin(
    tx: Transaction, run: Run, owner: str, *, now: datetime, lease_until: datetime
) -> tuple[Run, Attempt]:
    generation = run.generation_id
    needs_generation = run.kind.empties or (
        run.kind is RunKind.REFRESH and run.refresh_mode is not RefreshMode.MERGE
    )
    if needs_generation and generation is None:
        generation = connections.next_generation(tx, run.connection_id, now=now)
    begun = replace(
        run,
        status=RunStatus.RUNNING,
        attempt=run.attempt + 1,
        fence=connections.next_fence(tx, run.connection_id, now=now),
        generation_id=generation,
        lease_owner=owner,
        lease_until=lease_until,
        started_at=run.started_at or now,
        updated_at=now,
    )
    rows.replace_row(tx, runs, begun, what="run")
    attempt = Attempt(
        run_id=run.id,
        number=begun.attempt,
        fence=begun.fence,
        owner=owner,
        log_name=f"{run.id}/{begun.attempt}.jsonl",
        started_at=now,
        heard_at=now,
    )
    rows.put(tx, attempts, attempt)
    return begun, attempt


def _is_attempt(run: Run) -> Any:
    return (attempts.c.run_id == run.id) & (attempts.c.number == run.attempt)


def _totals(streams: Iterable[StreamFigures]) -> tuple[int, int]:
    figures = tuple(streams)
    return sum(each.rows_committed for each in figures), sum(
        each.bytes_committed for each in figures
    )


def _committed_by_all(tx: Transaction, run_id: int) -> tuple[int, int]:
    query = select(attempts.c.rows_committed, attempts.c.bytes_committed).where(
        attempts.c.run_id == run_id
    )
    found = tx.execute(query).all()
    return sum(row[0] for row in found), sum(row[1] for row in found)
