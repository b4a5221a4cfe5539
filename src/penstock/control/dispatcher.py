"""Starts runs that wait, keeps those of this server, ends those of servers that are gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from penstock.control import outcomes, scheduler
from penstock.control.attempt import AttemptRunner
from penstock.control.history import Run
from penstock.control.house import House
from penstock.control.housekeeping import Retention, clean
from penstock.control.observing.watchers import Moment
from penstock.control.store import leases, servers
from penstock.control.store.servers import Server
from penstock.control.timekeeping import ClockWatch, put_right
from penstock.errors import PenstockError, Superseded

logger = logging.getLogger(__name__)

_TICK_SECONDS: Final = 1.0
"""How exactly schedules and retries start; what this server is asked for wakes the loop."""
_TICK_SECONDS_AMONG_SERVERS: Final = 0.5
"""How soon what another server was asked for is seen, as a cancel within a second."""
_SHARES_OF_LEASE: Final = 5
_CLEANING_SECONDS: Final = 600.0
_NO_CLEANING_AFTER_JUMP_SECONDS: Final = 86400.0
"""What a wrong clock calls old may be of today."""
_FAR_SECONDS: Final = 86400.0
"""What is due later than this is looked at once at start: the clock may have been wrong before."""


class Dispatcher:
    """The one loop of a server. `start` and `stop` are called once each; `wake` from any thread."""

    def __init__(self, house: House, server: Server, retention: Retention | None = None) -> None:
        self._house = house
        self._retention = retention or Retention()
        self._cleaned_at = float("-inf")
        self._server = server
        self._running: dict[int, AttemptRunner] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._renewed_at = float("-inf")
        self._lease = timedelta(seconds=house.patience.lease_seconds)
        self._watch = ClockWatch(house.clock)
        is_alone = house.store.is_sqlite
        self._tick_seconds = _TICK_SECONDS if is_alone else _TICK_SECONDS_AMONG_SERVERS
        self._loop = threading.Thread(target=self._run, name="penstock-dispatcher", daemon=True)

    @property
    def running(self) -> int:
        """How many attempts this server has under way."""
        with self._turn:
            return len(self._running)

    def start(self) -> None:
        """Begins to look; on SQLite, ends first what a server that is gone left running."""
        if self._house.store.is_sqlite:
            self._end_leftovers()
        put_right(self._house, beyond_seconds=_FAR_SECONDS)
        self._loop.start()

    def wake(self) -> None:
        """Lets the loop look at once: something was queued, or is to be cancelled."""
        self._wake.set()

    def stop(self, *, timeout_seconds: float) -> None:
        """Asks all attempts to end, waits for them, and stops looking."""
        self._stop.set()
        self._wake.set()
        self._loop.join()
        with self._turn:
            runners = tuple(self._running.values())
            threads = tuple(self._threads.values())
        if runners:
            house = self._house
            until = house.clock() + timedelta(
                seconds=timeout_seconds + house.patience.lease_seconds
            )
            with house.store.write() as tx:
                leases.renew(tx, house.server_id, lease_until=until)
        for runner in runners:
            runner.shut_down()
        deadline = time.monotonic() + timeout_seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for runner in runners:
            runner.abandon()
        for thread in threads:
            thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except PenstockError as error:
                logger.warning("looking failed", extra={"why": str(error)})
            except Exception:
                logger.exception("looking failed")
            self._wake.wait(self._tick_seconds)
            self._wake.clear()

    def _look(self) -> None:
        self._heed_clock()
        if time.monotonic() - self._renewed_at >= self._lease.total_seconds() / _SHARES_OF_LEASE:
            self._keep_leases()
            self._end_abandoned()
        self._cancel_wanted()
        scheduler.tick(self._house)
        while not self._stop.is_set() and self._start_next():
            pass
        self._clean()

    def _heed_clock(self) -> None:
        """Trusts a clock that has jumped only for what cannot do harm."""
        jumped = self._watch.jumped_seconds()
        if not jumped:
            return
        logger.warning("the clock has jumped", extra={"seconds": round(jumped)})
        self._renewed_at = float("-inf")
        self._cleaned_at = time.monotonic() + _NO_CLEANING_AFTER_JUMP_SECONDS - _CLEANING_SECONDS
        if jumped < 0:
            put_right(self._house)

    def _clean(self) -> None:
        if time.monotonic() - self._cleaned_at >= _CLEANING_SECONDS:
            self._cleaned_at = time.monotonic()
            clean(self._house, self._retention)

    def _keep_leases(self) -> None:
        """Renews what is held, well before it runs out; kills what is not held any more."""
        house = self._house
        now = house.clock()
        with house.store.write() as tx:
            seen = Server(
                id=self._server.id,
                host=self._server.host,
                pid=self._server.pid,
                version=self._server.version,
                started_at=self._server.started_at,
                seen_at=now,
            )
            servers.renew(tx, seen)
            held = leases.renew(tx, house.server_id, lease_until=now + self._lease)
        self._renewed_at = time.monotonic()
        running = self._snapshot()
        for run_id, runner in running.items():
            known = held.get(run_id)
            if known is None or known.fence != runner.run.fence:
                self._drop_if_lost(run_id, runner)
            runner.look()
        # Held, and yet no thread follows it: its end could not be written when it came.
        self._give_up(run for run in held.values() if run.id not in running)

    def _drop_if_lost(self, run_id: int, runner: AttemptRunner) -> None:
        """Kills a runner whose run is another server's, unless it has just ended by itself."""
        with self._turn:
            thread = self._threads.get(run_id)
        if thread is not None and thread.is_alive():
            runner.abandon()

    def _cancel_wanted(self) -> None:
        runners = self._snapshot()
        if not runners:
            return
        with self._house.store.read() as tx:
            held = leases.held(tx, self._house.server_id)
        for run_id, runner in runners.items():
            known = held.get(run_id)
            if known is not None and known.cancel_requested_at is not None:
                runner.cancel()
                runner.look()

    def _end_abandoned(self) -> None:
        house = self._house
        with house.store.read() as tx:
            abandoned = leases.abandoned(tx, house.server_id, now=house.clock())
        self._give_up(abandoned)

    def _give_up(self, runs: Iterable[Run]) -> None:
        house = self._house
        for run in runs:
            try:
                with house.store.write() as tx:
                    outcomes.give_up(tx, run, limits=house.retries, now=house.clock())
            except Superseded:
                continue  # it has just ended, or another server was faster
            house.note(Moment.ENDED, run)
            logger.warning("attempt given up that nobody follows", extra={"run": run.id})

    def _end_leftovers(self) -> None:
        """A SQLite file has one server: what others left running is over now, not in a minute."""
        house = self._house
        with house.store.read() as tx:
            left = leases.running_elsewhere(tx, house.server_id)
        for run in left:
            with house.store.write() as tx:
                outcomes.give_up(tx, run, limits=house.retries, now=house.clock())
            house.note(Moment.ENDED, run)

    def _start_next(self) -> bool:
        house = self._house
        now = house.clock()
        until = now + self._lease
        with house.store.read() as tx:
            if not leases.has_waiting(tx, now):
                return False
        with house.store.write() as tx:
            claimed = leases.claim(
                tx, house.server_id, now=now, lease_until=until, limits=house.limits
            )
        if claimed is None:
            return False
        run, attempt = claimed
        runner = AttemptRunner(house, run, attempt)
        thread = threading.Thread(
            target=self._execute, args=(runner,), name=f"run-{run.id}", daemon=True
        )
        with self._turn:
            thread.start()  # first: a run whose thread cannot be started is given up as not kept
            self._running[run.id] = runner
            self._threads[run.id] = thread
        return True

    def _execute(self, runner: AttemptRunner) -> None:
        try:
            runner.execute()
        finally:
            with self._turn:
                if self._running.get(runner.run.id) is runner:
                    del self._running[runner.run.id]
                    del self._threads[runner.run.id]
            self._wake.set()

    def _snapshot(self) -> dict[int, AttemptRunner]:
        with self._turn:
            return dict(self._running)
