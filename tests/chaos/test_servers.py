"""Servers, runners and their database killed and halted at random, while runs go on.

A few runs in the ordinary tests; `make chaos` has a hundred of them, by `--penstock-rounds`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import duckdb
import pytest

from penstock.control.history import Attempt, AttemptStatus, Run, RunStatus
from penstock.control.model import Connection
from penstock.control.service import ControlPlane
from penstock.control.store import Window, events, runs, states
from penstock.errors import TransientError
from penstock.testing.pytest_plugin import seed_of
from tests.integration.control.plane import Site, connect_scripted
from tests.servers.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
ROWS_A_RUN = 200
LEASE_SECONDS = 3.0
"""That of `serve.py`."""
PATIENCE_SECONDS = 180.0
"""For one run, however often it is killed."""
T = TypeVar("T")


@dataclass
class Servers:
    """The servers of one site, each of them a process that is started again when it was killed."""

    site: Site
    chance: random.Random
    database: PostgresServer | None
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    harm: Counter[str] = field(default_factory=Counter)

    def begin(self, count: int) -> None:
        self.processes = [self._started() for _ in range(count)]

    def hurt(self) -> None:
        """Does one of the things that happen to machines."""
        number = self.chance.randrange(len(self.processes))
        ways = [self._kill_server, self._kill_runner, self._kill_runner, self._halt_server]
        if self.database is not None:
            ways.append(self._kill_database)
        way = self.chance.choice(ways)
        if way(number):
            self.harm[way.__name__] += 1

    def revive(self) -> None:
        """Starts servers again that ended by themselves: their database was away at their start."""
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                process.communicate()
                self.processes[number] = self._started()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def _kill_server(self, number: int) -> bool:
        self._wait_until_ready(number)
        self.processes[number].kill()
        self.processes[number].communicate()
        self.processes[number] = self._started()
        return True

    def _kill_runner(self, number: int) -> bool:
        """Kills one of what the server has started, if it has."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.processes[number].pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(int(self.chance.choice(found)), signal.SIGKILL)
        return True

    def _halt_server(self, number: int) -> bool:
        """Lets a server hang for longer than its leases last; then it goes on as if nothing was."""
        self._wait_until_ready(number)
        process = self.processes[number]
        process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + 1.5)
        process.send_signal(signal.SIGCONT)
        return True

    def _kill_database(self, _: int) -> bool:
        assert self.database is not None
        self.database.stop("immediate")
        time.sleep(self.chance.uniform(0.0, 1.5))
        self.database.start()
        return True

    def _started(self) -> subprocess.Popen[str]:
        url = self.site.database_url
        words = [sys.executable, "-m", "tests.integration.control.serve", str(self.site.folder)]
        return subprocess.Popen(
            [*words, *([url] if url else [])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _wait_until_ready(self, number: int) -> None:
        """Waits for a server's word; one whose database is away at its start is started again."""
        deadline = time.monotonic() + 60
        while True:
            process = self.processes[number]
            assert process.stdout is not None
            if getattr(process, "is_ready", False):
                return
            if process.stdout.readline() == "ready\n":
                process.is_ready = True  # type: ignore[attr-defined]
                return
            process.communicate()
            assert time.monotonic() < deadline, f"the server ended with {process.returncode}"
            self.processes[number] = self._started()


@dataclass
class Work:
    """A connection that gets new rows before each of its runs."""

    connection: Connection
    folder: Path
    rows: int = 0
    asked: list[int] = field(default_factory=list)

    def ask(self, plane: ControlPlane) -> None:
        """Lets the source have more rows, and asks for a run."""
        self.rows += ROWS_A_RUN
        config = {"rows": self.rows, "seconds_a_row": 0.005}
        source = self.connection.source_id
        patiently(lambda: plane.configuring.update_connector(source, config=config))
        before = self.asked[-1] if self.asked else 0
        self.asked.append(patiently(lambda: asked_run(plane, self.connection.id, behind=before)))


@pytest.mark.slow
@pytest.mark.parametrize(("database", "count"), [("sqlite", 1), ("postgresql", 2)])
def test_whatever_is_killed_every_run_ends_once_and_tables_equal_their_sources(
    database: str,
    count: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, server = None, None
    if database == "postgresql":
        monkeypatch.setenv("PENSTOCK_SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
        url = request.getfixturevalue("postgres").url
        server = request.getfixturevalue("postgres_server")
    wanted = max(2, int(request.config.getoption("--penstock-rounds")))
    chance = random.Random(f"{seed_of(request.config)} {database}")
    site = Site(tmp_path, url)
    servers = Servers(site, chance, server)
    with ExitStack() as after:
        plane = site.opened()
        after.callback(plane.store.close)
        works = [made_work(plane, site, number) for number in range(min(4, wanted))]
        after.callback(servers.end)
        servers.begin(count)
        asked = work_through(plane, servers, works, wanted)
        for work in works:
            require_exact(plane, work)
    assert sum(len(work.asked) for work in works) == asked >= wanted
    assert sum(servers.harm.values()) >= min(wanted, 3), f"hardly anything happened: {servers.harm}"


def work_through(plane: ControlPlane, servers: Servers, works: list[Work], wanted: int) -> int:
    """Asks for runs until there were enough, and hurts servers until all of them are over.

    Few runs may be over before anything happened to them: then there are more. Returns how many.
    """
    asked = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        idle = [work for work in works if not is_active(plane, work)]
        harmed = sum(servers.harm.values())
        is_enough = asked >= wanted and harmed >= min(wanted, 3)
        if is_enough and len(idle) == len(works):
            return asked
        for work in idle:
            if not is_enough:
                work.ask(plane)
                asked += 1
                deadline = time.monotonic() + PATIENCE_SECONDS
        assert time.monotonic() < deadline, [newest(plane, work) for work in works]
        time.sleep(servers.chance.uniform(0.2, 2.5))
        servers.revive()
        # Few runs are left in peace in the end, so that a short test does come to an end.
        if harmed < 2 * wanted:
            servers.hurt()


def require_exact(plane: ControlPlane, work: Work) -> None:
    """Compares what was kept of every run, and the table, with what must be there."""
    with plane.store.read() as tx:
        kept = [runs.get(tx, run_id) for run_id in work.asked]
        tries = runs.attempts_of(tx, work.asked)
        known = states.of_connection(tx, work.connection.id)
        told = events.timeline(
            tx,
            Window(limit=1000),
            kinds=["run.succeeded", "run.failed", "run.cancelled"],
            connection_id=work.connection.id,
        ).items
    assert [run.status for run in kept] == [RunStatus.SUCCEEDED] * len(work.asked), kept
    assert Counter(event.run_id for event in told) == Counter(work.asked)
    assert [json.loads(each.state) for each in known] == [{"at": work.rows}]
    require_attempts(kept, tries)
    with duckdb.connect(str(work.folder / "out.duckdb"), read_only=True) as tables:
        found = tables.execute("SELECT id, code FROM items ORDER BY ALL").fetchall()
    assert found == [(number, f"{number:03d}") for number in range(work.rows)]


def require_attempts(kept: list[Run], tries: tuple[Attempt, ...]) -> None:
    """Each run has one attempt that succeeded, its last; and fences only grow."""
    for run in kept:
        own = [each for each in tries if each.run_id == run.id]
        assert [each.number for each in own] == list(range(1, run.attempt + 1))
        assert [each.status for each in own[:-1]] == [AttemptStatus.FAILED] * (run.attempt - 1)
        assert own[-1].status is AttemptStatus.SUCCEEDED
    fences = [each.fence for each in sorted(tries, key=lambda each: (each.run_id, each.number))]
    assert fences == sorted(set(fences))


def made_work(plane: ControlPlane, site: Site, number: int) -> Work:
    folder = site.folder / str(number)
    folder.mkdir()
    connection = connect_scripted(Site(folder), plane, name=f"c{number}", rows=0)
    plane.configuring.update_connection(
        connection.id, lambda it: replace(it, settings={"commit_seconds": 0.2})
    )
    return Work(connection, folder)


def is_active(plane: ControlPlane, work: Work) -> bool:
    found = newest(plane, work)
    return found is not None and found.status.is_active


def newest(plane: ControlPlane, work: Work) -> Run | None:
    def look() -> Run | None:
        with plane.store.read() as tx:
            return runs.get(tx, work.asked[-1]) if work.asked else None

    return patiently(look)


def asked_run(plane: ControlPlane, connection_id: str, *, behind: int) -> int:
    """Asks for a run; where the answer was lost on the way, it is the run there is now."""
    with plane.store.read() as tx:
        known = runs.newest_of(tx, [connection_id]).get(connection_id)
    if known is not None and known.id > behind:
        return known.id
    return plane.request_run(connection_id).id


def patiently(act: Callable[[], T]) -> T:
    """Does what a database that is away for a while keeps one from doing."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return act()
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
