"""A disk that is full: nothing is lost, everybody is told, and it goes on when there is room."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import event

from penstock.control.history import RunStatus
from penstock.control.logs import AttemptLog, read_log
from penstock.control.store import Store, Window, events, runs
from penstock.errors import ResourceExhausted
from tests.integration.control.plane import Site, connect_scripted, ended, until

_NO_LIMIT = 1 << 30


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """Lets the database grow no more, and each event need a megabyte: SQLite calls that full."""
    limit = [_NO_LIMIT]

    def on_checkout(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit[0]}")

    event.listen(store.engine, "checkout", on_checkout)
    with store.write() as tx:
        tx.exec_driver_sql("CREATE TABLE filler (some BLOB)")
        tx.exec_driver_sql(
            "CREATE TRIGGER needs_room BEFORE INSERT ON events"
            " BEGIN INSERT INTO filler VALUES (zeroblob(1048576)); END"
        )
    with store.read() as tx:
        limit[0] = int(tx.exec_driver_sql("PRAGMA page_count").scalar() or 0)
    try:
        yield
    finally:
        limit[0] = _NO_LIMIT
        with store.write() as tx:
            tx.exec_driver_sql("DROP TRIGGER needs_room")
            tx.exec_driver_sql("DROP TABLE filler")


def test_a_run_ends_once_there_is_room_to_write_down_that_it_has(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=100, seconds_a_row=0.02)
        other = connect_scripted(Site(_made(tmp_path / "b")), plane, name="other", rows=1)
        run = plane.request_run(connection.id)
        until(plane, run.id, lambda found: found.is_begun)
        with full_disk(plane.store):
            with pytest.raises(ResourceExhausted, match="cannot grow") as refused:
                plane.request_run(other.id)
            _wait_for_rows(site, 100)
            time.sleep(2.0)  # its runner is gone; its end cannot be written
            with plane.store.read() as tx:
                assert runs.get(tx, run.id).status is RunStatus.RUNNING
        done = ended(plane, run)
        with plane.store.read() as tx:
            told = events.timeline(tx, Window(limit=100), kinds=["run.succeeded"]).items
        again = ended(plane, plane.request_run(connection.id))
    assert "disk space" in refused.value.remedy
    assert (done.status, done.attempt) == (RunStatus.SUCCEEDED, 1)
    assert [each.run_id for each in told if each.connection_id == connection.id] == [run.id]
    assert (again.status, again.rows_committed) == (RunStatus.SUCCEEDED, 0)


def test_a_log_that_does_not_fit_loses_lines_and_tells_so(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", _WRITE_TO_A_FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size <= 4096
    part = read_log(path)
    assert part.records[0].message == "line 0"
    assert part.next_offset <= part.size
    assert "log cannot be written" in done.stderr


_WRITE_TO_A_FULL_DISK = """
import logging, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from penstock.control.logs import AttemptLog
logging.basicConfig()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with AttemptLog(Path(sys.argv[1]), secrets=frozenset()) as log:
    for number in range(500):
        log.write(datetime.now(UTC), "INFO", f"line {number}")
"""
"""The kernel refuses what goes beyond a size, as it refuses what a disk has no room for."""


def test_a_log_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(ResourceExhausted, match=r"1\.jsonl cannot be written") as refused:
        AttemptLog(tmp_path / "logs" / "7" / "1.jsonl", secrets=frozenset())
    assert "disk space" in refused.value.remedy


def test_a_run_without_room_for_its_log_fails_by_name_and_is_tried_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=5)
        plane.house.log_folder.mkdir(parents=True, exist_ok=True)
        with plane.store.read() as tx:
            following = 1 + max((run.id for run in runs.list_(tx, Window()).items), default=0)
        in_the_way = plane.house.log_folder / str(following)
        in_the_way.write_text("in the way")
        run = plane.request_run(connection.id)
        failed = until(plane, run.id, lambda found: found.status is RunStatus.WAITING)
        in_the_way.unlink()
        plane.cancel(run.id)
    assert failed.failure is not None
    assert failed.failure.code == "resource_exhausted"


def _wait_for_rows(site: Site, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(duckdb.Error):  # while the runner has the file open
            if site.count("items") == count:
                return
        time.sleep(0.1)
    raise AssertionError(f"{count} rows have not arrived")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
