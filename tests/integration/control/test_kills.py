"""Servers and runners killed at random moments: each run ends once, each row arrives once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from penstock.control.history import RunStatus
from penstock.control.store import Window, events, runs
from tests.integration.control.plane import Site, connect_scripted

ROOT = Path(__file__).resolve().parents[3]
ROWS = 300
CONNECTIONS = 2
KILLS = 3
SEED = 6


@pytest.mark.slow
@pytest.mark.parametrize(("database", "count"), [("sqlite", 1), ("postgresql", 2)])
def test_whatever_is_killed_every_run_ends_once_and_no_row_is_lost_or_doubled(
    database: str,
    count: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = None
    if database == "postgresql":
        monkeypatch.setenv("PENSTOCK_SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
        url = request.getfixturevalue("postgres").url
    site = Site(tmp_path, url)
    asked = _ask_for_runs(site)
    chance = random.Random(SEED)
    servers = [_start(site) for _ in range(count)]
    try:
        for _ in range(KILLS):
            number = chance.randrange(len(servers))
            _wait_until_ready(servers[number])
            time.sleep(chance.uniform(0.1, 3.0))
            _kill(servers[number])
            servers[number] = _start(site)
        _wait_until_over(site, asked)
    finally:
        for server in servers:
            _kill(server)
    plane = site.opened()
    with plane.store.read() as tx:
        ended = [runs.get(tx, run_id) for run_id in asked]
        told = events.timeline(tx, Window(limit=1000), kinds=["run.succeeded"]).items
    plane.store.close()
    assert sum(run.attempt for run in ended) > CONNECTIONS, "nothing was killed in time"
    assert [run.status for run in ended] == [RunStatus.SUCCEEDED] * CONNECTIONS
    assert Counter(event.run_id for event in told) == Counter(asked)
    for number in range(CONNECTIONS):
        with duckdb.connect(str(tmp_path / str(number) / "out.duckdb"), read_only=True) as tables:
            found = tables.execute("SELECT count(*), count(DISTINCT id) FROM items").fetchall()
        assert found == [(ROWS, ROWS)]


def _ask_for_runs(site: Site) -> list[int]:
    """Keeps connections, each with a DuckDB file of its own, and a run of each, queued."""
    plane = site.opened()
    asked = []
    for number in range(CONNECTIONS):
        folder = site.folder / str(number)
        folder.mkdir()
        connection = connect_scripted(
            Site(folder), plane, name=f"c{number}", rows=ROWS, seconds_a_row=0.02
        )
        plane.configuring.update_connection(
            connection.id, lambda it: replace(it, settings={"commit_seconds": 0.2})
        )
        asked.append(plane.request_run(connection.id).id)
    plane.store.close()
    return asked


def _start(site: Site) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.integration.control.serve", str(site.folder)]
    return subprocess.Popen(
        [*words, *([site.database_url] if site.database_url else [])],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _kill(server: subprocess.Popen[str]) -> None:
    server.kill()
    server.communicate()


def _wait_until_ready(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


def _wait_until_over(site: Site, asked: list[int]) -> None:
    deadline = time.monotonic() + 120
    plane = site.opened()
    try:
        while True:
            with plane.store.read() as tx:
                found = [runs.get(tx, run_id) for run_id in asked]
            if not any(run.status.is_active for run in found):
                return
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
    finally:
        plane.store.close()
