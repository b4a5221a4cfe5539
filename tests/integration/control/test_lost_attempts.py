"""An attempt that nobody follows any more does not hang, though its server lives."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from penstock.control.builtin import offer
from penstock.control.history import RunStatus
from penstock.control.house import Patience
from penstock.control.launchers.local import LocalJob, LocalLauncher
from penstock.control.retries import RetryLimits
from penstock.control.service import Setup, open_control_plane
from penstock.control.store import connectors, runs
from tests.integration.control.plane import (
    OFFERS,
    Site,
    connect_scripted,
    ended,
    kill_runner,
    log_text,
    until,
)

QUICK = RetryLimits(first_pause_seconds=0.1)


class BreaksOnce:
    """A launcher that fails once as nothing of ours fails."""

    def __init__(self, launcher: LocalLauncher) -> None:
        self._launcher = launcher
        self.has_broken = False

    def submit(self, document: bytes, job_id: str) -> LocalJob:
        if job_id.startswith("run-") and not self.has_broken:
            self.has_broken = True
            raise RuntimeError("can't start new thread")
        return self._launcher.submit(document, job_id)


def test_an_attempt_whose_thread_was_lost_is_followed_by_another(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    setup = Setup(
        data_dir=folder, version="test", patience=Patience(lease_seconds=3.0), retries=QUICK
    )
    launcher = BreaksOnce(LocalLauncher(folder))
    plane = open_control_plane(setup, launcher=launcher)
    offer(plane.store, OFFERS, now=datetime.now(UTC))
    plane.start()
    try:
        connection = connect_scripted(Site(tmp_path), plane, rows=5)
        run = ended(plane, plane.request_run(connection.id))
        with plane.store.read() as tx:
            first, _ = runs.attempts_of(tx, [run.id])
    finally:
        plane.stop()
    assert launcher.has_broken
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert first.failure is not None
    assert first.failure.code == "server_lost"


def test_a_token_that_expires_in_mid_run_is_renewed_and_outlives_a_killed_runner(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    vendor = tmp_path / "vendor.json"
    vendor.write_text(json.dumps({"token": "token-1", "pages_left": 3}))
    with site.running(retries=QUICK) as plane:
        connection = connect_scripted(
            site, plane, rows=200, seconds_a_row=0.02, token="token-1", vendor=str(vendor)
        )
        plane.configuring.update_connection(
            connection.id, lambda it: replace(it, settings={"commit_seconds": 0.2})
        )
        run = plane.request_run(connection.id)
        until(plane, run.id, lambda found: found.rows_committed >= 50)  # one renewal at least
        kill_runner(plane, run)
        done = ended(plane, run)
        said = log_text(plane, done)
        with plane.store.read() as tx:
            source = connectors.get(tx, connection.source_id)
            kept = plane.house.secrets.opened(tx, source.config)
    assert (done.status, done.attempt) == (RunStatus.SUCCEEDED, 2), said
    assert site.rows("SELECT count(*), count(DISTINCT id) FROM items") == [(200, 200)]
    current = json.loads(vendor.read_text())["token"]
    assert kept["token"] == current
    assert int(current.rpartition("-")[2]) >= 7  # a renewal every thirty rows
    for path in (site.folder / "data").rglob("*"):
        if path.is_file():
            assert current.encode() not in path.read_bytes(), path
