"""Queries that count: what was moved by day, what is usual, and what may be late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Text,
    and_,
    case,
    cast,
    extract,
    func,
    or_,
    select,
    type_coerce,
)

from penstock.control.history import RunKind, RunStatus
from penstock.control.model import Connection, ConnectionStatus
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import IS_ACTIVE, connections, due, runs


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """What ended on one day (UTC)."""

    day: date
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    rows_committed: int = 0
    bytes_committed: int = 0
    seconds: float = 0.0
    """How long its runs took, together."""
    longest_seconds: float = 0.0


def by_day(
    tx: Transaction,
    *,
    first: date,
    last: date,
    workspace_ids: Sequence[str] | None = None,
    connection_ids: Sequence[str] | None = None,
) -> tuple[DayFigures, ...]:
    """Returns the figures of each day, the oldest first; a day without runs is there too."""
    is_sqlite = tx.dialect.name == "sqlite"
    day, seconds = _day(is_sqlite=is_sqlite), _seconds(is_sqlite=is_sqlite)
    query = (
        select(
            day.label("day"),
            _count(RunStatus.SUCCEEDED),
            _count(RunStatus.FAILED),
            _count(RunStatus.CANCELLED),
            func.sum(runs.c.rows_committed),
            func.sum(runs.c.bytes_committed),
            func.coalesce(func.sum(seconds), 0.0),
            func.coalesce(func.max(seconds), 0.0),
        )
        .where(
            runs.c.ended_at >= datetime.combine(first, time(), UTC),
            runs.c.ended_at < datetime.combine(last + timedelta(days=1), time(), UTC),
        )
        .group_by(day)
    )
    if workspace_ids is not None:
        # SQLite would rather read all runs of a workspace than those of some days: an expression
        # is in no index but that of the days.
        workspace = runs.c.workspace_id
        query = query.where((workspace.concat("") if is_sqlite else workspace).in_(workspace_ids))
    if connection_ids is not None:
        query = query.where(runs.c.connection_id.in_(connection_ids))
    found = {}
    for row in tx.execute(query):
        held = date.fromisoformat(str(row[0])[:10])
        found[held] = DayFigures(
            day=held,
            succeeded=int(row[1]),
            failed=int(row[2]),
            cancelled=int(row[3]),
            rows_committed=int(row[4] or 0),
            bytes_committed=int(row[5] or 0),
            seconds=round(float(row[6]), 3),
            longest_seconds=round(float(row[7]), 3),
        )
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(found.get(each) or DayFigures(day=each) for each in days)


def usual_rows(tx: Transaction, connection_id: str, *, limit: int = 10) -> tuple[int, ...]:
    """Returns how many rows the last whole syncs that succeeded committed, the newest first."""
    query = (
        select(runs.c.rows_committed)
        .where(
            runs.c.connection_id == connection_id,
            runs.c.kind == RunKind.SYNC,
            runs.c.status == RunStatus.SUCCEEDED,
            runs.c.streams.is_(None),
        )
        .order_by(runs.c.id.desc())
        .limit(limit)
    )
    return tuple(int(each) for each in tx.execute(query).scalars())


def perhaps_late(
    tx: Transaction,
    now: datetime,
    *,
    workspace_ids: Sequence[str] | None = None,
    limit: int = 1_000,
) -> tuple[Connection, ...]:
    """Returns active connections that may have missed their schedule; others have not.

    Those that failed last, run now, never succeeded, wait for their start, or did not succeed for
    a day.
    """
    table = connections.c
    running = select(runs.c.connection_id).where(IS_ACTIVE)
    waiting = select(due.c.connection_id).where(due.c.next_at < now - timedelta(minutes=1))
    query = (
        select(connections)
        .where(
            table.deleted_at.is_(None),
            table.status == ConnectionStatus.ACTIVE,
            or_(
                table.failed_runs_in_row > 0,
                table.last_succeeded_at.is_(None),
                table.last_succeeded_at < now - timedelta(days=1),
                table.id.in_(running),
                table.id.in_(waiting),
            ),
        )
        .order_by(table.last_succeeded_at, table.id)
        .limit(limit)
    )
    if workspace_ids is not None:
        query = query.where(table.workspace_id.in_(workspace_ids))
    return rows.every(tx, Connection, query)


def last_successes(tx: Transaction) -> tuple[tuple[str, str, datetime | None], ...]:
    """Returns id, name and last success of each active connection."""
    table = connections.c
    query = select(table.id, table.name, table.last_succeeded_at).where(
        table.deleted_at.is_(None), table.status == ConnectionStatus.ACTIVE
    )
    return tuple((row[0], row[1], row[2]) for row in tx.execute(query.order_by(table.id)))


def _count(status: RunStatus) -> ColumnElement[Any]:
    return func.sum(case((runs.c.status == status, 1), else_=0)).cast(Integer)


def _day(*, is_sqlite: bool) -> ColumnElement[Any]:
    if is_sqlite:
        return func.substr(type_coerce(runs.c.ended_at, Text), 1, 10)
    return func.date(func.timezone("UTC", runs.c.ended_at))


def _seconds(*, is_sqlite: bool) -> ColumnElement[Any]:
    begun = and_(runs.c.started_at.is_not(None), runs.c.ended_at.is_not(None))
    if is_sqlite:
        took = (func.julianday(runs.c.ended_at) - func.julianday(runs.c.started_at)) * 86400.0
    else:
        took = cast(extract("epoch", runs.c.ended_at - runs.c.started_at), Float)
    return case((begun, took), else_=None)
