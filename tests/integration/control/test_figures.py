"""What is counted of runs, on SQLite and PostgreSQL: by day, late, unusual."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete

from penstock.control import outcomes
from penstock.control.days import RememberedDays
from penstock.control.history import Run, RunStatus, StreamFigures
from penstock.control.lateness import is_unusual, late, late_since
from penstock.control.model import Schedule, ScheduleKind
from penstock.control.store import Store, Window, connections, events, figures, leases, runs
from penstock.control.store.leases import Limits
from penstock.control.store.tables import runs as runs_table
from tests.integration.control.samples import NOW, a_connection, a_run, later, world


def ended(store: Store, at: datetime, *, rows: int, seconds: float, status: RunStatus) -> None:
    run = replace(
        a_run(a_connection("w1", "c1")),
        status=status,
        rows_committed=rows,
        bytes_committed=rows * 10,
        started_at=at - timedelta(seconds=seconds),
        ended_at=at,
    )
    with store.write() as tx:
        runs.enqueue(tx, run)


def test_days_are_those_of_utc_and_one_without_runs_is_there_too(store: Store) -> None:
    world(store)
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    second = timedelta(seconds=1)
    ended(store, midnight - second, rows=1, seconds=1.5, status=RunStatus.SUCCEEDED)
    ended(store, midnight + second, rows=2**40, seconds=10, status=RunStatus.SUCCEEDED)
    ended(store, midnight + 2 * second, rows=0, seconds=2, status=RunStatus.FAILED)
    with store.read() as tx:
        found = figures.by_day(tx, first=date(2026, 11, 18), last=date(2026, 11, 20))
    assert [each.day.day for each in found] == [18, 19, 20]
    assert found[0] == figures.DayFigures(day=date(2026, 11, 18))
    assert (found[1].succeeded, found[1].rows_committed) == (1, 1)
    assert found[1].seconds == pytest.approx(1.5, abs=0.01)
    last = found[2]
    assert (last.succeeded, last.failed, last.rows_committed) == (1, 1, 2**40)
    assert last.seconds == pytest.approx(12, abs=0.01)
    assert last.longest_seconds == pytest.approx(10, abs=0.01)


def test_figures_of_one_connection_leave_the_others_out(store: Store) -> None:
    world(store)
    ended(store, NOW, rows=5, seconds=1, status=RunStatus.SUCCEEDED)
    with store.read() as tx:
        (found,) = figures.by_day(
            tx, first=NOW.date(), last=NOW.date(), connection_ids=("another",)
        )
    assert found == figures.DayFigures(day=NOW.date())


def test_days_long_over_are_counted_once_and_the_last_two_each_time(store: Store) -> None:
    world(store)
    remembered = RememberedDays()
    today = NOW.date()

    def counted(count: int, *, of: tuple[str, ...] | None = None) -> list[int]:
        with store.read() as tx:
            found = remembered.of(tx, count=count, today=today, workspace_ids=of)
            days = figures.by_day(tx, first=found[0].day, last=today, workspace_ids=of)
        assert [each.day for each in found] == [each.day for each in days]
        return [each.succeeded for each in found]

    for days_ago in range(5):
        at = NOW - timedelta(days=days_ago)
        ended(store, at, rows=1, seconds=1, status=RunStatus.SUCCEEDED)
    assert counted(3) == [1, 1, 1]
    assert counted(5) == [1, 1, 1, 1, 1]
    assert counted(3, of=("w2",)) == [0, 0, 0]
    with store.write() as tx:
        tx.execute(delete(runs_table))
    assert counted(5) == [1, 1, 1, 0, 0]
    assert counted(6, of=("w1",)) == [0, 0, 0, 0, 0, 0]


def test_a_connection_is_late_when_its_schedule_came_twice_without_a_success(
    store: Store,
) -> None:
    kept = world(store).connection
    with store.write() as tx:
        connections.save(tx, replace(kept, last_succeeded_at=NOW))
    with store.read() as tx:
        assert late(tx, later(1799), workspace_ids=("w1",)) == ()
    with store.write() as tx:
        connections.save(tx, replace(kept, last_succeeded_at=NOW, failed_runs_in_row=1))
    with store.read() as tx:
        (found,) = late(tx, later(1801), workspace_ids=("w1",))
        assert late(tx, later(1801), workspace_ids=("w2",)) == ()
    assert (found.connection.id, found.since) == ("c1", later(1800))


def test_a_cron_connection_is_late_from_its_second_time_on_and_a_manual_one_never() -> None:
    daily = Schedule(kind=ScheduleKind.CRON, cron="0 3 * * *")
    connection = replace(a_connection("w1", "c1"), schedule=daily, last_succeeded_at=NOW)
    assert late_since(connection) == datetime(2026, 11, 23, 3, tzinfo=UTC)
    assert late_since(replace(connection, schedule=Schedule())) is None


@pytest.mark.parametrize(
    ("rows", "before", "expected"),
    [
        (0, (1000,) * 5, True),
        (199, (1000,) * 5, True),
        (200, (1000,) * 5, False),
        (5001, (1000,) * 5, True),
        (0, (1000,) * 4, False),
        (90, (0,) * 9, False),
        (500, (0,) * 9, True),
    ],
)
def test_much_more_or_much_less_than_the_median_is_unusual(
    rows: int, before: tuple[int, ...], expected: bool
) -> None:
    assert is_unusual(rows, before) is expected


def test_a_sync_that_moves_nothing_where_it_always_moved_much_is_told(store: Store) -> None:
    world(store)

    def sync(rows: int) -> Run:
        with store.write() as tx:
            runs.enqueue(tx, a_run(a_connection("w1", "c1")))
            claimed = leases.claim(
                tx, "s1", now=NOW, lease_until=later(30), limits=Limits(per_server=9)
            )
            assert claimed is not None
            held = StreamFigures(name="users", rows_committed=rows)
            leases.note_progress(tx, claimed[0], (held,), before=0, now=NOW)
            return outcomes.succeed(tx, claimed[0], (held,), now=NOW)

    for _ in range(6):
        sync(1000)
    last = sync(0)
    with store.read() as tx:
        told = events.timeline(tx, Window(), kinds=("run.volume",)).items
        counted = events.count_since(tx, "run.volume", NOW)
    assert [(each.run_id, each.data["usual_rows"]) for each in told] == [(last.id, 1000)]
    assert counted == (("c1", 1),)
