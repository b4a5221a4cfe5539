"""Queries about what is to happen after runs, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import exists, select, update

from penstock.control.history import HookRun, HookStatus
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import IS_OPEN, hook_runs

_OPEN = (HookStatus.PENDING, HookStatus.RUNNING)


def plan(tx: Transaction, hooks: Iterable[HookRun]) -> None:
    """Keeps what is to happen after a run, in the transaction that ends it."""
    for each in hooks:
        rows.put_numbered(tx, hook_runs, each)


def of_run(tx: Transaction, run_id: int) -> tuple[HookRun, ...]:
    """Returns what was to happen after a run, in order."""
    query = select(hook_runs).where(hook_runs.c.run_id == run_id)
    return rows.every(tx, HookRun, query.order_by(hook_runs.c.number))


def has_due(tx: Transaction, now: datetime) -> bool:
    """Tells whether something is to be done, or was left by a server that is gone."""
    query = select(hook_runs.c.id).where(IS_OPEN, hook_runs.c.next_at <= now)
    return tx.execute(query.limit(1)).first() is not None


def take(
    tx: Transaction, now: datetime, *, until: datetime, owner: str, limit: int
) -> tuple[HookRun, ...]:
    """Returns what is due now, and keeps others from taking it before `until`.

    Of one run's hooks the first that is not over; and those whose server let its time run out,
    still as `running`.
    """
    earlier = hook_runs.alias("earlier")
    waits_for = exists().where(
        earlier.c.run_id == hook_runs.c.run_id,
        earlier.c.number < hook_runs.c.number,
        earlier.c.status.in_(_OPEN),
    )
    query = (
        select(hook_runs)
        .where(IS_OPEN, hook_runs.c.next_at <= now, ~waits_for)
        .order_by(hook_runs.c.next_at, hook_runs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = rows.every(tx, HookRun, query)
    tx.execute(
        update(hook_runs)
        .where(hook_runs.c.id.in_([each.id for each in taken]))
        .values(next_at=until, status=HookStatus.RUNNING, owner=owner)
    )
    return taken


def save(tx: Transaction, hook: HookRun) -> None:
    """Writes what became of a hook."""
    rows.replace_row(tx, hook_runs, hook, what="hook")


def skip_after(tx: Transaction, hook: HookRun, *, now: datetime) -> None:
    """Leaves out what was to come after a hook that failed."""
    tx.execute(
        update(hook_runs)
        .where(
            hook_runs.c.run_id == hook.run_id,
            hook_runs.c.number > hook.number,
            hook_runs.c.status == HookStatus.PENDING,
        )
        .values(status=HookStatus.SKIPPED, ended_at=now)
    )


def release_running(tx: Transaction, *, now: datetime) -> None:
    """Makes what runs due at once, as its server is known to be gone."""
    tx.execute(
        update(hook_runs)
        .where(IS_OPEN, hook_runs.c.status == HookStatus.RUNNING)
        .values(next_at=now)
    )
