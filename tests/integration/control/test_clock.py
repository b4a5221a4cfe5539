"""A clock that jumps ends no run, starts none twice, removes nothing, and leaves nobody waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.control import enqueuing
from penstock.control.history import RunStatus
from penstock.control.house import Patience
from penstock.control.model import Schedule, ScheduleKind
from penstock.control.service import ControlPlane
from penstock.control.store import Store, Window, connections, due, events, runs
from penstock.control.timekeeping import put_right
from tests.integration.control.plane import Site, connect_scripted, ended, until
from tests.integration.control.samples import NOW, a_connection, later, world
from tests.integration.control.test_scale import house_of

YEAR = 365 * 86_400.0
HOURLY = Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=3600)
MONTHLY = Schedule(kind=ScheduleKind.CRON, cron="0 6 1 * *")


@dataclass
class Clock:
    """The machine's own, and by how much somebody has put it forward."""

    put_forward: float = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.put_forward)


def test_schedules_that_a_wrong_clock_put_years_ahead_come_back(
    store: Store, tmp_path: Path
) -> None:
    world(store)
    slots = {"wrong": later(10 * YEAR), "right": later(600), "cron": later(10 * YEAR)}
    with store.write() as tx:
        for name, next_at in slots.items():
            schedule = MONTHLY if name == "cron" else HOURLY
            connections.create(tx, replace(a_connection("w1", name), schedule=schedule))
            due.arrange(tx, name, [due.Slot(connection_id=name, slot=0, next_at=next_at)])
    assert put_right(house_of(store, tmp_path)) == 2
    with store.read() as tx:
        found = {name: due.of_connection(tx, name)[0].next_at for name in slots}
    assert found == {
        "wrong": later(3600),
        "right": later(600),
        "cron": datetime(2026, 12, 1, 6, tzinfo=UTC),
    }
    assert put_right(house_of(store, tmp_path)) == 0


def test_every_one_of_many_schedules_comes_back(store: Store, tmp_path: Path) -> None:
    world(store)
    names = [f"n{number:03}" for number in range(450)]
    with store.write() as tx:
        for name in names:
            connections.create(tx, replace(a_connection("w1", name), schedule=HOURLY))
            due.arrange(tx, name, [due.Slot(connection_id=name, slot=0, next_at=later(YEAR))])
    assert put_right(house_of(store, tmp_path), beyond_seconds=86_400) == len(names)


def test_a_run_that_waits_for_a_time_years_ahead_starts_now(store: Store, tmp_path: Path) -> None:
    kept = world(store)
    with store.write() as tx:
        run = enqueuing.enqueue(tx, kept.connection, enqueuing.Request(), now=later(YEAR))
    assert put_right(house_of(store, tmp_path)) == 2  # the run, and the schedule it had put ahead
    with store.read() as tx:
        assert runs.get(tx, run.id).not_before == NOW


def test_a_run_goes_on_through_jumps_of_a_year_and_history_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)
    clock = Clock()
    first = site.opened(patience=Patience(lease_seconds=3.0))
    plane = ControlPlane(replace(first.house, clock=clock), first.setup, None)
    plane.start()
    try:
        connection = connect_scripted(site, plane, rows=300, seconds_a_row=0.02)
        plane.configuring.update_connection(
            connection.id,
            lambda it: replace(it, settings={"commit_seconds": 0.2}, schedule=HOURLY),
        )
        (run_id,) = _runs_of(plane, connection.id)  # an interval's first start is at once
        until(plane, run_id, lambda found: found.rows_committed > 0)
        told = _events(plane)
        clock.put_forward = YEAR
        time.sleep(4.0)  # longer than a lease
        clock.put_forward = 0.0
        done = ended(plane, run_id)
        time.sleep(1.5)
        with plane.store.read() as tx:
            (slot,) = due.of_connection(tx, connection.id)
            active = runs.active(tx)
        assert _events(plane) >= told
    finally:
        plane.stop()
    assert (done.status, done.attempt) == (RunStatus.SUCCEEDED, 1)
    assert site.rows("SELECT count(*), count(DISTINCT id) FROM items") == [(300, 300)]
    assert slot.next_at is not None
    assert slot.next_at <= datetime.now(UTC) + timedelta(hours=1)
    assert active == ()


def _events(plane: ControlPlane) -> set[int]:
    with plane.store.read() as tx:
        return {each.id for each in events.timeline(tx, Window(limit=500)).items}


def _runs_of(plane: ControlPlane, connection_id: str) -> list[int]:
    deadline = time.monotonic() + 60
    while True:
        with plane.store.read() as tx:
            found = runs.newest_of(tx, [connection_id])
        if found:
            return [run.id for run in found.values()]
        assert time.monotonic() < deadline
        time.sleep(0.05)
