"""Runs of some streams, schedules of their own for them, how often is discovered, and deadlines."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.control.builtin import offer
from penstock.control.enqueuing import Request
from penstock.control.history import Run, RunStatus, Trigger
from penstock.control.house import Patience
from penstock.control.launchers.local import LocalJob, LocalLauncher
from penstock.control.model import Connection, ModeName, Schedule, ScheduleKind, StreamChoice
from penstock.control.retries import RetryLimits
from penstock.control.service import ControlPlane, Setup, open_control_plane
from penstock.control.store import Window, connections, discoveries, due, runs
from penstock.errors import UnknownName
from tests.integration.control.plane import (
    OFFERS,
    Site,
    connect,
    connect_scripted,
    ended,
    log_text,
)

TWO = tuple(
    StreamChoice(name=name, mode=ModeName.INCREMENTAL_DEDUPED_HISTORY)
    for name in ("users", "products")
)
ONLY_PRODUCTS = ((None, "products"),)
HOURLY = Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=3600)
ONCE = RetryLimits(complete_in_row=1, partial_total=1)


def test_a_run_of_some_streams_leaves_the_others_and_the_interval_alone(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.running() as plane:
        connection = connect(site, plane, streams=TWO)
        part = ended(plane, plane.request_run(connection.id, Request(streams=ONLY_PRODUCTS)))
        assert part.status is RunStatus.SUCCEEDED, log_text(plane, part)
        assert (part.rows_committed, _tables(site)) == (100, {"products"})
        with pytest.raises(UnknownName, match="purchases"):
            plane.request_run(connection.id, Request(streams=((None, "purchases"),)))
        whole = ended(plane, plane.request_run(connection.id))
        assert (whole.rows_committed, _tables(site)) == (1000, {"users", "products"})
        _set(plane, connection, schedule=HOURLY)
        before = _slot(plane, connection.id)
        ended(plane, plane.request_run(connection.id, Request(streams=ONLY_PRODUCTS)))
        assert _slot(plane, connection.id) == before
        ended(plane, plane.request_run(connection.id))
        assert _slot(plane, connection.id) > before


def test_streams_have_a_schedule_of_their_own(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.running() as plane:
        connection = connect(site, plane, streams=TWO)
        _set(plane, connection, stream_schedules=(replace(HOURLY, streams=ONLY_PRODUCTS),))
        run = ended(plane, _first_of(plane, connection.id, Trigger.SCHEDULE))
    assert (run.status, run.streams) == (RunStatus.SUCCEEDED, ONLY_PRODUCTS)
    assert _tables(site) == {"products"}


@pytest.mark.parametrize(("window_seconds", "discovered"), [(86_400.0, 1), (0.001, 2)])
def test_a_source_is_discovered_again_only_when_its_catalogue_is_old(
    window_seconds: float, discovered: int, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    moments = set()
    with site.running(patience=Patience(discover_window_seconds=window_seconds)) as plane:
        connection = connect_scripted(site, plane, rows=3)
        for _ in range(2):
            assert ended(plane, plane.request_run(connection.id)).status is RunStatus.SUCCEEDED
            with plane.store.read() as tx:
                found = discoveries.newest_catalog(tx, connection.source_id)
            assert found is not None
            moments.add(found.discovered_at)
    assert len(moments) == discovered


def test_a_run_that_does_not_end_is_ended_and_the_next_continues(tmp_path: Path) -> None:
    site = Site(tmp_path)
    patience = Patience(run_seconds=4.0, stop_seconds=5.0, lease_seconds=2.0)
    with site.running(patience=patience, retries=ONCE) as plane:
        connection = connect_scripted(site, plane, rows=1000, seconds_a_row=0.05)
        _set(plane, connection, settings={"commit_seconds": 0.2})
        ended_late = ended(plane, plane.request_run(connection.id))
        swift = {"rows": 1000, "seconds_a_row": 0}
        plane.configuring.update_connector(connection.source_id, config=swift)
        next_one = ended(plane, plane.request_run(connection.id))
    assert (ended_late.status, ended_late.attempt) == (RunStatus.FAILED, 1)
    assert ended_late.failure is not None
    assert ended_late.failure.message.startswith("The runner did not end")
    assert 0 < ended_late.rows_committed < 1000
    assert next_one.status is RunStatus.SUCCEEDED
    assert next_one.rows_committed == 1000 - ended_late.rows_committed
    assert site.count("items") == 1000


class NeverStarts:
    """A launcher whose runs are processes that say nothing, as one that waits for a package."""

    def __init__(self, launcher: LocalLauncher) -> None:
        self._launcher = launcher

    def submit(self, document: bytes, job_id: str) -> LocalJob:
        if not job_id.startswith("run-"):
            return self._launcher.submit(document, job_id)
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return LocalJob(process, document)


def test_a_run_that_does_not_start_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    patience = Patience(start_seconds=1.0, lease_seconds=2.0)
    setup = Setup(data_dir=folder, version="test", patience=patience, retries=ONCE)
    plane = open_control_plane(setup, launcher=NeverStarts(LocalLauncher(folder)))
    offer(plane.store, OFFERS, now=datetime.now(UTC))
    plane.start()
    try:
        connection = connect_scripted(Site(tmp_path), plane, rows=3)
        run = ended(plane, plane.request_run(connection.id))
    finally:
        plane.stop()
    assert run.status is RunStatus.FAILED
    assert run.failure is not None
    assert run.failure.message.startswith("The runner did not start")


def test_a_connection_that_failed_for_a_week_is_switched_off_and_off_the_schedule(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    with site.running(retries=ONCE) as plane:
        connection = connect_scripted(site, plane, rows=5, fails_after=0)
        a_week_ago = datetime.now(UTC) - timedelta(days=7, minutes=1)
        with plane.store.write() as tx:
            kept = connections.get(tx, connection.id)
            connections.save(tx, replace(kept, failed_runs_in_row=29, failing_since=a_week_ago))
        _set(plane, connection, schedule=HOURLY)
        ended(plane, _first_of(plane, connection.id, Trigger.SCHEDULE))
        with plane.store.read() as tx:
            off = connections.get(tx, connection.id)
            slots = due.of_connection(tx, connection.id)
    assert (off.status.value, slots) == ("inactive", ())
    assert "30 failed runs" in (off.status_reason or "")


def _set(plane: ControlPlane, connection: Connection, **changes: object) -> None:
    plane.configuring.update_connection(connection.id, lambda it: replace(it, **changes))  # type: ignore[arg-type]


def _first_of(plane: ControlPlane, connection_id: str, trigger: Trigger) -> Run:
    deadline = time.monotonic() + 60
    while True:
        with plane.store.read() as tx:
            wanted = runs.Filter(connection_ids=[connection_id])
            for run in runs.list_(tx, Window(limit=50), wanted).items:
                if run.trigger is trigger:
                    return run
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _slot(plane: ControlPlane, connection_id: str) -> datetime:
    with plane.store.read() as tx:
        (slot,) = due.of_connection(tx, connection_id)
    assert slot.next_at is not None
    return slot.next_at


def _tables(site: Site) -> set[str]:
    found = site.rows(
        "SELECT table_name FROM duckdb_tables() WHERE table_name NOT LIKE '\\_%' ESCAPE '\\'"
    )
    return {name for (name,) in found}
