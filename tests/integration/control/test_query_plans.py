"""What is asked often is answered by an index, however many runs there have been.

Time would say so only on a machine that does nothing else; SQLite says by which way it will go.
Without statistics of what the tables hold its ways are those of full tables too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from penstock.control.history import ACTIVE, RunStatus
from penstock.control.store import (
    Store,
    Transaction,
    Window,
    due,
    events,
    figures,
    hook_runs,
    leases,
    runs,
)
from penstock.control.store.leases import Limits
from penstock.control.store.migrate import upgrade
from tests.integration.control.samples import NOW, World, a_run, world

LIMITS = Limits(per_workspace=1, per_connector=1)
DAY = NOW.date()
LOOKS: dict[str, tuple[Callable[[Transaction], object], str]] = {
    "waiting": (lambda tx: leases.has_waiting(tx, NOW), "ix_runs_active"),
    "abandoned": (lambda tx: leases.abandoned(tx, "s1", now=NOW), "ix_runs_active"),
    "held": (lambda tx: leases.held(tx, "s1"), "ix_runs_active"),
    "renewed": (lambda tx: leases.renew(tx, "s1", lease_until=NOW), "ix_runs_active"),
    "claimed": (
        lambda tx: leases.claim(tx, "s1", now=NOW, lease_until=NOW, limits=LIMITS),
        "ix_runs_active",
    ),
    "recalled": (lambda tx: leases.recall_from_future(tx, now=NOW), "ix_runs_active"),
    "active": (runs.active, "ix_runs_active"),
    "active-listed": (
        lambda tx: runs.list_(tx, Window(), runs.Filter(statuses=ACTIVE)),
        "ix_runs_active",
    ),
    "active-of-workspace": (
        lambda tx: runs.list_(tx, Window(), runs.Filter(statuses=ACTIVE, workspace_ids=["w1"])),
        "ix_runs_active",
    ),
    "active-of-connection": (lambda tx: runs.active_of(tx, "c1"), "uq_runs_active_connection"),
    "of-connection": (
        lambda tx: runs.list_(tx, Window(), runs.Filter(connection_ids=["c1"])),
        "ix_runs_connection",
    ),
    "days": (lambda tx: figures.by_day(tx, first=DAY, last=DAY), "ix_runs_ended"),
    "days-of-workspace": (
        lambda tx: figures.by_day(tx, first=DAY, last=DAY, workspace_ids=["w1"]),
        "ix_runs_ended",
    ),
    "old": (lambda tx: runs.ended_before(tx, NOW, limit=10), "ix_runs_ended"),
    "receipts": (runs.receipts_bytes, "ix_receipts_age"),
    "hooks": (lambda tx: hook_runs.has_due(tx, NOW), "ix_hook_runs_open"),
    "deliveries": (lambda tx: events.has_due_delivery(tx, NOW), "ix_deliveries_pending"),
    "due": (lambda tx: due.reached(tx, NOW, limit=10), "ix_due_next_at"),
}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Store, World]]:
    store = Store.of_file(tmp_path / "penstock.db")
    upgrade(store)
    yield store, world(store)
    store.close()


@contextmanager
def noted(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Gives what is asked of the database meanwhile."""
    asked: list[tuple[str, Any]] = []

    def keep(_c: object, _cursor: object, sql: str, values: Any, _x: object, _m: bool) -> None:
        if sql.startswith(("SELECT", "UPDATE")):
            asked.append((sql, values))

    event.listen(store.engine, "before_cursor_execute", keep)
    try:
        yield asked
    finally:
        event.remove(store.engine, "before_cursor_execute", keep)


def ways_to(store: Store, sql: str, values: Any) -> list[str]:
    with store.read() as tx:
        return [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("name", LOOKS)
def test_an_index_answers(name: str, kept: tuple[Store, World]) -> None:
    store, _ = kept
    look, index = LOOKS[name]
    with noted(store) as asked, store.write() as tx:
        look(tx)
    assert asked
    for sql, values in asked:
        ways = [way for way in ways_to(store, sql, values) if not way.startswith("USE TEMP")]
        assert all(index in way for way in ways), (ways, sql)


def test_runs_are_counted_by_indexes_alone(kept: tuple[Store, World]) -> None:
    store, _ = kept
    with noted(store) as asked, store.read() as tx:
        runs.count_by_status(tx)
    ways = [way for each in asked for way in ways_to(store, *each) if "runs" in way]
    assert len(ways) == 2
    assert all("COVERING INDEX" in way for way in ways), ways


def test_a_page_far_on_begins_there(kept: tuple[Store, World]) -> None:
    store, world_kept = kept
    ended = replace(a_run(world_kept.connection), status=RunStatus.SUCCEEDED)
    with store.write() as tx:
        for _ in range(3):
            runs.enqueue(tx, ended)
    with noted(store) as asked, store.read() as tx:
        first = runs.list_(tx, Window(limit=2), by="created_at")
        runs.list_(tx, Window(limit=2, after=first.next), by="created_at")
    (way,) = ways_to(store, *asked[-1])
    assert "ix_runs_created (created_at<?" in way
