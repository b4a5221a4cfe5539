"""The server: how it starts and rests, looks for work and shows it, and answers while it works."""

from __future__ import annotations

import base64
import json
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import update

from benchmarks import control_data
from benchmarks.contest import Outcome, Run, Table, say
from benchmarks.control_server import Server, cold_start, served
from benchmarks.measure import measure
from benchmarks.peers import install
from benchmarks.places import OUTPUT
from penstock.control import scheduler
from penstock.control.store import runs
from penstock.control.store.tables import due

COLD, IDLE = "from the command to the first answer, on an empty folder", "left alone"
IDLE_FULL = "left alone, beside 10,000 connections and 1,000,000 runs"
TICK = "looking for what is due, and queueing three runs"
BY_HAND, BY_SERVER = "`penstock sync`, by hand", "the same, asked of the server until it is over"
CANCELLED = "from the request until the run is over"
LATENCY, TAIL = "an answer, median", "an answer, 99th percentile"
PAGES = {
    "connections, first page": "/connections?limit=50",
    "connections whose name has 999": "/connections?limit=50&q=999",
    "runs, newest": "/runs?limit=50",
    "runs that failed": "/runs?limit=50&status=failed",
    "runs of one connection": "/runs?limit=50&connection_id=bench-000042",
    "the first page: what runs, failed, is late; fourteen days": "/home",
    "figures of thirty days": "/figures?days=30",
}
MIDDLE = "runs, half a million further on"
REQUESTS_A_SECOND = 200
SYNCS = 10
_ASKERS = 8
_PAGE_ROUNDS = 21


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table a promise; nothing here has a peer that installs by pip."""
    yield _starting(rounds=3 if quick else 7, rest_seconds=10 if quick else 60)
    yield _one_run(rounds=3 if quick else 7)
    yield _cancelling(rounds=3 if quick else 7)
    yield _much(kept=100_000 if quick else control_data.RUNS, rest_seconds=10 if quick else 60)
    yield _busy(seconds=10 if quick else 60)


def _starting(*, rounds: int, rest_seconds: float) -> Table:
    say("control: a server that starts and rests")
    starts = []
    for _ in range(rounds):
        with _folder() as folder:
            starts.append(cold_start(folder))
    with _folder() as folder, served(folder) as server:
        time.sleep(3)
        rest = server.rested(rest_seconds)
    lines = (_line(COLD, *starts), _line(IDLE, rest))
    return Table(path="control", title="a server that starts and rests", outcomes=lines)


def _one_run(*, rounds: int) -> Table:
    say("control: one small sync")
    with _folder() as folder, served(folder / "up") as server:
        source = server.connector("source-faker", {"rows": 100, "seed": 7})
        target = server.connector("destination-duckdb", {"path": str(folder / "up.duckdb")})
        choice = {"name": "users", "mode": "full_refresh_overwrite"}
        connection = server.connection("small", source, target, streams=[choice])
        server.ended(server.run(connection))  # discovers its source, once a day
        by_hand, by_server = [], []
        for _ in range(rounds):
            by_hand.append(_sync_by_hand(folder))
            before, began = server.cpu_seconds(), time.perf_counter()
            server.ended(server.run(connection))
            by_server.append(
                Run(
                    wall_seconds=time.perf_counter() - began,
                    cpu_seconds=server.cpu_seconds() - before,
                    peak_mib=server.resident_mib(),
                )
            )
    lines = (_line(BY_HAND, *by_hand), _line(BY_SERVER, *by_server))
    return Table(path="control", title="one small sync", rows=100, outcomes=lines)


def _sync_by_hand(folder: Path) -> Run:
    words = ("sync", "faker", "duckdb", "--streams=users", "--mode=full_refresh_overwrite")
    settings = ("--source.rows=100", "--source.seed=7")
    target = f"--destination.path={folder / 'hand.duckdb'}"
    done = measure(
        [install("penstock").program("penstock"), *words, *settings, target],
        scratch=folder / "hand",
        environment={"PENSTOCK_HOME": str(folder / "home"), "DO_NOT_TRACK": "1"},
    )
    if done.exit_status:
        raise RuntimeError(f"penstock sync ended with {done.exit_status}: {done.stderr_tail}")
    return Run(wall_seconds=done.wall_seconds, cpu_seconds=done.cpu_seconds, peak_mib=done.peak_mib)


def _cancelling(*, rounds: int) -> Table:
    """Cancels a sync in the midst of its rows, each time after its first commit."""
    say("control: a sync that is cancelled")
    with _folder() as folder:
        control_data.keep_slow_source(folder)
        with served(folder) as server:
            connection = _slow_sync(server, folder, 0, 600)
            done = []
            for _ in range(rounds):
                run = server.run(connection)
                while server.get(f"/runs/{run}")["rows_committed"] == 0:
                    time.sleep(0.05)
                before, began = server.cpu_seconds(), time.perf_counter()
                server.post(f"/runs/{run}/cancel", {})
                server.ended(run, as_wanted="cancelled")
                done.append(
                    Run(
                        wall_seconds=time.perf_counter() - began,
                        cpu_seconds=server.cpu_seconds() - before,
                        peak_mib=server.resident_mib(),
                    )
                )
    line = _line(CANCELLED, *done)
    return Table(path="control", title="a sync that is cancelled while it writes", outcomes=(line,))


def _much(*, kept: int, rest_seconds: float) -> Table:
    title = f"{control_data.CONNECTIONS:,} connections, {kept:,} runs"
    say(f"control: {title}")
    with _folder() as folder:
        control_data.fill(folder, run_count=kept)
        lines = [_line(TICK, *_ticks(folder))]
        with served(folder) as server:
            paths = {**PAGES, MIDDLE: f"/runs?limit=50&after={_position(kept // 2)}"}
            lines += [_line(name, *_asked(server, path)) for name, path in paths.items()]
            lines.append(_line(IDLE_FULL, server.rested(rest_seconds)))
    return Table(path="control", title=title, rows=kept, outcomes=tuple(lines))


def _ticks(folder: Path) -> list[Run]:
    """Looks ten times, three connections being due each time; then nothing is due any more."""
    plane = control_data.opened(folder)
    done = []
    for turn in range(10):
        ids = [f"bench-{3 * turn + each:06}" for each in range(3)]
        moment = datetime.now(UTC) - timedelta(seconds=1)
        with plane.store.write() as tx:
            tx.execute(update(due).where(due.c.connection_id.in_(ids)).values(next_at=moment))
        wall, cpu = time.perf_counter(), time.process_time()
        asked = scheduler.tick(plane.house)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        done.append(Run(wall_seconds=wall, cpu_seconds=cpu, peak_mib=0))
        if asked != len(ids):
            raise RuntimeError(f"{asked} runs were queued where {len(ids)} were due")
        with plane.store.read() as tx:
            active = runs.active(tx)
        for run in active:
            plane.cancel(run.id)
    plane.store.close()
    return done


def _asked(server: Server, path: str) -> list[Run]:
    done = []
    for _ in range(_PAGE_ROUNDS):
        cpu, wall = server.cpu_seconds(), time.perf_counter()
        server.get(path)
        wall = time.perf_counter() - wall
        done.append(
            Run(
                wall_seconds=wall,
                cpu_seconds=server.cpu_seconds() - cpu,
                peak_mib=server.resident_mib(),
            )
        )
    return done[1:]  # the first fills the caches of both sides


def _position(run: int) -> str:
    """Returns the cursor of the page behind a run, which its page itself would have told."""
    return base64.urlsafe_b64encode(json.dumps([run]).encode()).decode().rstrip("=")


@dataclass
class _Load:
    """What a stream of requests met."""

    seconds: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def _busy(*, seconds: int) -> Table:
    """Asks as often as promised, every tenth time for a change, while ten syncs commit."""
    title = f"{REQUESTS_A_SECOND} requests a second while {SYNCS} syncs run"
    say(f"control: {title}")
    with _folder() as folder:
        control_data.keep_slow_source(folder)
        with served(folder, "--runs-at-once", str(SYNCS)) as server:
            syncs = [_slow_sync(server, folder, number, seconds) for number in range(SYNCS)]
            under_way = [server.run(each) for each in syncs]
            while server.get("/runs?status=running")["items"][SYNCS - 1 :] == []:
                time.sleep(0.1)
            before, began = server.cpu_seconds(), time.perf_counter()
            load = _loaded(server, syncs, under_way, seconds)
            took, cpu = time.perf_counter() - began, server.cpu_seconds() - before
            still = sum(server.get(f"/runs/{each}")["status"] == "running" for each in under_way)
            for each in under_way:
                server.ended(each, every_seconds=0.2)
            memory = server.peak_mib()
        said = (folder / "stderr.txt").read_text()
    failure = None
    if load.refusals or "locked" in said:
        failure = f"{len(load.refusals)} refusals: {load.refusals[:3]} {said[-300:]}"
    elif len(load.seconds) < 0.98 * REQUESTS_A_SECOND * seconds:
        failure = f"only {len(load.seconds) / took:.0f} requests a second were answered"
    elif still < SYNCS:
        failure = f"only {still} syncs ran until the end"
    ordered = sorted(load.seconds)
    figures = {LATENCY: statistics.median(ordered), TAIL: ordered[int(len(ordered) * 0.99)]}
    lines = tuple(
        _line(
            name,
            Run(wall_seconds=wall, cpu_seconds=cpu / len(ordered), peak_mib=memory),
            failure=failure,
        )
        for name, wall in figures.items()
    )
    return Table(path="control", title=title, rows=len(ordered), outcomes=lines)


def _slow_sync(server: Server, folder: Path, number: int, seconds: int) -> str:
    # Two pages a second, each of them committed: as much as a server is told of ten syncs; enough
    # of them for requests that are answered late.
    source = server.connector(control_data.SLOW_SOURCE, {"pages": 4 * (seconds + 20)})
    path = str(folder / f"{number}.duckdb")
    return server.connection(
        f"slow {number}",
        source,
        server.connector("destination-duckdb", {"path": path}),
        streams=[{"name": "items", "mode": "incremental_append"}],
        settings={"commit_seconds": 0.5},
    )


def _loaded(server: Server, syncs: list[str], under_way: list[int], seconds: int) -> _Load:
    load, turn = _Load(), threading.Lock()
    end = time.perf_counter() + seconds

    def ask(asker: int) -> None:
        """Sends every nth request at its own time, however long those before it took."""
        number = asker
        with server.new_client() as client:
            while (at := end - seconds + number / REQUESTS_A_SECOND) < end:
                time.sleep(max(0.0, at - time.perf_counter()))
                answer = _request(client, number, syncs, under_way)
                with turn:
                    load.seconds.append(time.perf_counter() - at)
                    if answer.is_error:
                        load.refusals.append(answer.text[:200])
                number += _ASKERS

    askers = [threading.Thread(target=ask, args=(each,)) for each in range(_ASKERS)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    return load


def _request(
    client: httpx.Client, number: int, syncs: list[str], under_way: list[int]
) -> httpx.Response:
    which = number // 10 % len(syncs)
    asked: tuple[Callable[[], httpx.Response], ...] = (
        lambda: client.patch(f"/connections/{syncs[which]}", json={"priority": number}),
        lambda: client.get("/connections?limit=50"),
        lambda: client.get("/runs?limit=50"),
        lambda: client.get("/home"),
        *(lambda: client.get(f"/runs/{under_way[which]}"),) * 6,
    )
    return asked[number % 10]()


def _line(label: str, *measured: Run, failure: str | None = None) -> Outcome:
    ours = install("penstock")
    return Outcome(
        label=label, tool="penstock", version=ours.version, runs=tuple(measured), failure=failure
    )


@contextmanager
def _folder() -> Iterator[Path]:
    folder = OUTPUT / f"control-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
