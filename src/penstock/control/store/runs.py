"""Queries about runs and attempts, for those who ask for them and those who look at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from penstock.control.history import ACTIVE, Attempt, Run, RunKind, RunStatus
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import IS_ACTIVE, attempts, hook_runs, receipts, runs
from penstock.errors import ResourceBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which runs are wanted; None leaves a point open."""

    connection_ids: Sequence[str] | None = None
    workspace_ids: Sequence[str] | None = None
    kinds: Sequence[RunKind] | None = None
    statuses: Sequence[RunStatus] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None


def enqueue(tx: Transaction, run: Run) -> Run:
    """Keeps a new run; raises ResourceBusy when the connection has one that is not over."""
    try:
        with tx.begin_nested():
            return replace(run, id=rows.put_numbered(tx, runs, run))
    except IntegrityError as error:
        other = active_of(tx, run.connection_id)
        if other is None:
            raise
        raise ResourceBusy(
            f"A {other.kind} of this connection is already {other.status}: run {other.id}.",
            remedy="Wait until it ends, or cancel it.",
            run_id=other.id,
            connection_id=run.connection_id,
        ) from error


def get(tx: Transaction, run_id: int) -> Run:
    """Returns a run; raises UnknownName without one."""
    found = rows.one(tx, Run, select(runs).where(runs.c.id == run_id))
    if found is None:
        raise rows.unknown("run", run_id)
    return found


def active_of(tx: Transaction, connection_id: str) -> Run | None:
    """Returns the run of a connection that is not over."""
    query = select(runs).where(IS_ACTIVE, runs.c.connection_id == connection_id)
    return rows.one(tx, Run, query)


def active(tx: Transaction) -> tuple[Run, ...]:
    """Returns all runs that are not over."""
    query = select(runs).where(IS_ACTIVE).order_by(runs.c.id)
    return rows.every(tx, Run, query)


def newest_of(tx: Transaction, connection_ids: Iterable[str]) -> dict[str, Run]:
    """Returns the newest run of each connection."""
    newest = (
        select(func.max(runs.c.id))
        .where(runs.c.connection_id.in_(tuple(connection_ids)))
        .group_by(runs.c.connection_id)
    )
    query = select(runs).where(runs.c.id.in_(newest))
    return {run.connection_id: run for run in rows.every(tx, Run, query)}


def list_(
    tx: Transaction,
    window: rows.Window,
    wanted: Filter | None = None,
    *,
    by: str = "id",
    is_descending: bool = True,
) -> rows.Page[Run]:
    """Returns runs in the order of `by`: id, created_at or updated_at; the newest first."""
    keys = (runs.c.id,) if by == "id" else (runs.c[by], runs.c.id)
    query = _filtered(select(runs), wanted or Filter())
    return rows.page(tx, Run, query, keys=keys, window=window, is_descending=is_descending)


def count_by_status(tx: Transaction, wanted: Filter | None = None) -> dict[RunStatus, int]:
    """Returns how many runs there are of each status; dear where there are very many.

    Asked in two halves, each of which an index answers without looking at a run.
    """
    found: dict[RunStatus, int] = {}
    for half in (IS_ACTIVE, runs.c.ended_at.is_not(None)):
        query = _filtered(select(runs.c.status, func.count()).where(half), wanted or Filter())
        found |= {row[0]: row[1] for row in tx.execute(query.group_by(runs.c.status))}
    return found


def request_cancel(tx: Transaction, run_id: int, *, by: str | None, now: datetime) -> Run:
    """Asks for a run's end and returns it; one that is over, or was asked already, stays as it is.

    One that no server has begun is over at once; else its server ends it.
    """
    locked = select(runs).where(runs.c.id == run_id).with_for_update()
    run = rows.one(tx, Run, locked) or get(tx, run_id)
    if not run.status.is_active or run.cancel_requested_at is not None:
        return run
    values: dict[str, object] = {"cancel_requested_at": now, "cancelled_by": by, "updated_at": now}
    tx.execute(update(runs).where(runs.c.id == run_id, runs.c.status.in_(ACTIVE)).values(values))
    tx.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.status.in_((RunStatus.QUEUED, RunStatus.WAITING)))
        .values(status=RunStatus.CANCELLED, ended_at=now)
    )
    return get(tx, run_id)


def attempts_of(tx: Transaction, run_ids: Iterable[int]) -> tuple[Attempt, ...]:
    """Returns the attempts of runs, each run's in order."""
    query = (
        select(attempts)
        .where(attempts.c.run_id.in_(tuple(run_ids)))
        .order_by(attempts.c.run_id, attempts.c.number)
    )
    return rows.every(tx, Attempt, query)


def attempt(tx: Transaction, run_id: int, number: int) -> Attempt:
    """Returns an attempt; raises UnknownName without one."""
    query = select(attempts).where(attempts.c.run_id == run_id, attempts.c.number == number)
    found = rows.one(tx, Attempt, query)
    if found is None:
        raise rows.unknown("attempt", f"{run_id}/{number}")
    return found


def keep_receipt(
    tx: Transaction, run_id: int, attempt_number: int, receipt: str, *, ended_at: datetime
) -> None:
    """Keeps what an attempt's runner said in the end, as it wrote it."""
    tx.execute(
        insert(receipts).values(
            run_id=run_id,
            attempt=attempt_number,
            receipt=receipt,
            ended_at=ended_at,
            size=len(receipt.encode()),
        )
    )


def receipt(tx: Transaction, run_id: int, attempt_number: int | None = None) -> str | None:
    """Returns the receipt of an attempt, or a run's newest, as JSON text."""
    query = select(receipts.c.receipt).where(receipts.c.run_id == run_id)
    if attempt_number is not None:
        query = query.where(receipts.c.attempt == attempt_number)
    found: str | None = tx.execute(query.order_by(receipts.c.attempt.desc()).limit(1)).scalar()
    return found


def ended_before(tx: Transaction, moment: datetime, *, limit: int) -> tuple[int, ...]:
    """Returns the ids of runs that ended before a moment, for what keeps the store small."""
    query = select(runs.c.id).where(runs.c.ended_at < moment).order_by(runs.c.ended_at)
    return tuple(tx.execute(query.limit(limit)).scalars())


def receipts_bytes(tx: Transaction) -> int:
    """Returns the size of all receipts together."""
    return int(tx.execute(select(func.sum(receipts.c.size))).scalar() or 0)


def delete_oldest_receipts(tx: Transaction, surplus_bytes: int, *, limit: int) -> tuple[int, int]:
    """Removes the oldest receipts until so many bytes are gone, at most `limit` of them.

    Returns how many were removed, and their bytes; their runs stay.
    """
    query = select(receipts.c.run_id, receipts.c.attempt, receipts.c.size)
    gone, freed = [], 0
    for run_id, number, size in tx.execute(query.order_by(receipts.c.ended_at).limit(limit)):
        if freed >= surplus_bytes:
            break
        gone.append((run_id, number))
        freed += size
    tx.execute(delete(receipts).where(tuple_(receipts.c.run_id, receipts.c.attempt).in_(gone)))
    return len(gone), freed


def delete_(tx: Transaction, run_ids: Iterable[int]) -> None:
    """Removes runs with attempts and receipts."""
    ids = tuple(run_ids)
    for table in (receipts, attempts, hook_runs):
        tx.execute(delete(table).where(table.c.run_id.in_(ids)))
    tx.execute(delete(runs).where(runs.c.id.in_(ids)))


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:
    workspace: ColumnElement[str] = runs.c.workspace_id
    if wanted.statuses is not None and all(status.is_active for status in wanted.statuses):
        # An expression is in no index but that of active runs: SQLite would rather read all runs
        # of a workspace, in their order, for the few that are not over.
        workspace = runs.c.workspace_id.concat("")
        query = query.where(IS_ACTIVE)
    for column, values in (
        (runs.c.connection_id, wanted.connection_ids),
        (workspace, wanted.workspace_ids),
        (runs.c.kind, wanted.kinds),
        (runs.c.status, wanted.statuses),
    ):
        if values is not None:
            query = query.where(column.in_(values))
    for column, least, most in (
        (runs.c.created_at, wanted.created_from, wanted.created_to),
        (runs.c.updated_at, wanted.updated_from, wanted.updated_to),
    ):
        if least is not None:
            query = query.where(column >= least)
        if most is not None:
            query = query.where(column <= most)
    return query
