"""A small program of its own between penstock and a connector: nothing it starts outlives penstock.

Run as `python -I -S guard.py '{"fd": 7, "argv": [...], ...}'`; imports nothing of penstock, so
that it starts in some 20 ms. Its lifeline is one end of a socket pair: when the other end closes
(penstock asked to stop, or is gone, also by `kill -9`), the connector is asked to end by SIGTERM,
and everything below it is killed after the grace period. On Linux the guard is the "subreaper"
of its descendants, so that double forks and new sessions do not escape, and the connector is
killed by the kernel should the guard itself vanish (PR_SET_PDEATHSIG, here and not in penstock:
that signal follows the *thread* that started the child). Elsewhere the process group is what can
be reached. What it did is told on the lifeline as one JSON object.

A connector that reads gets its input through a pipe whose writing end the guard holds too, until
it is told (END_OF_INPUT on the lifeline) that the input ended as it should: so the connector
never takes penstock's death for the end of the data.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"
HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ORPHAN_CHECK_SECONDS = 1.0
LAST_COMMAND_SECONDS = 30.0
KILL_ROUNDS = 200
COMMAND_NOT_STARTED = 127
END_OF_INPUT = b"."


def main(order: dict[str, Any]) -> None:
    """Starts `argv`, watches over it to the end, kills what is left of it, tells the outcome."""
    for kept in (order["fd"], order["input"]):
        if kept >= 0:
            os.set_inheritable(kept, False)  # noqa: FBT003 - os has it so
    lifeline = socket.socket(fileno=order["fd"])
    lifeline.settimeout(0)
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
    for number in HANDLED:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    prctl = _prctl()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    child, problem = _start(order["argv"], prctl)
    _let_go_of_streams()
    watch = _Watch(lifeline, wake_read, child, order["grace_seconds"], order["input"])
    outcome = watch.until_ended() if problem is None else {"start_error": problem}
    _kill_descendants(child)
    if watch.is_forced:
        _run_last(order["last"])
    if watch.is_stopping:
        _remove(Path(order["folder"]))
    with contextlib.suppress(OSError):  # nobody listens any more: penstock is gone
        lifeline.send(json.dumps(outcome).encode())


def _prctl() -> Callable[[int, int], Any]:
    if not LINUX:
        return lambda _option, _value: None
    import ctypes  # noqa: PLC0415 - Linux only

    libc = ctypes.CDLL(None, use_errno=True)
    return lambda option, value: libc.prctl(option, value, 0, 0, 0)


def _start(argv: list[str], prctl: Callable[[int, int], Any]) -> tuple[int, str | None]:
    """Returns the child's process id, and why it could not become `argv`, if so."""
    told_read, told_write = os.pipe()
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(COMMAND_NOT_STARTED)
            signal.set_wakeup_fd(-1)
            for number in (*HANDLED, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execvp(argv[0], argv)  # noqa: S606 - the caller's program, without a shell
        except OSError as error:
            os.write(told_write, (error.strerror or str(error)).encode())
        finally:
            os._exit(COMMAND_NOT_STARTED)
    os.close(told_write)
    with os.fdopen(told_read, "rb") as told:
        problem = told.read().decode("utf-8", "replace")
    return child, problem or None


def _let_go_of_streams() -> None:
    """Gives up the connector's streams, so that those at their other ends see its end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


class _Watch:
    """Waits for the connector's end, or ends it."""

    def __init__(
        self, lifeline: socket.socket, wake: int, child: int, grace_seconds: float, held_input: int
    ) -> None:
        self._lifeline = lifeline
        self._wake = wake
        self._child = child
        self._grace_seconds = grace_seconds
        self._held_input = held_input
        self._parent = os.getppid()
        self._status: int | None = None
        self._deadline: float | None = None
        self.is_forced = False

    @property
    def is_stopping(self) -> bool:
        return self._deadline is not None

    def until_ended(self) -> dict[str, Any]:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._lifeline, select.POLLIN)
        while True:
            self._reap()
            if self._status is not None:
                return self._outcome(self._status)
            for descriptor, _ in poll.poll(self._wait_ms()):
                if descriptor == self._wake:
                    if self._asked_by_signal():
                        self._ask_to_end()
                elif self._is_input_over():
                    os.close(self._held_input)
                else:
                    poll.unregister(self._lifeline)
                    self._ask_to_end()
            if os.getppid() != self._parent:
                self._ask_to_end()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self.is_forced = True
                _kill_descendants(self._child)

    def _wait_ms(self) -> float:
        wait = ORPHAN_CHECK_SECONDS
        if self._deadline is not None:
            wait = min(wait, max(0.0, self._deadline - time.monotonic()))
        return wait * 1000 + 1

    def _asked_by_signal(self) -> bool:
        numbers = os.read(self._wake, 4096)
        return any(number != signal.SIGCHLD for number in numbers)

    def _is_input_over(self) -> bool:
        with contextlib.suppress(OSError):  # a lifeline that broke has ended
            return self._lifeline.recv(1) == END_OF_INPUT
        return False

    def _ask_to_end(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._grace_seconds
            _signal_group(self._child, signal.SIGTERM)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
                if ended[0] == self._child:
                    self._status = ended[1]

    def _outcome(self, status: int) -> dict[str, Any]:
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return {"signal": -code, "forced": self.is_forced}
        return {"exit": code, "forced": self.is_forced}


def _signal_group(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, number)


def _kill_descendants(child: int) -> None:
    """Kills the group and, where they can be found, all other descendants, until none is left."""
    _signal_group(child, signal.SIGKILL)
    for _ in range(KILL_ROUNDS if LINUX else 0):
        found = _descendants()
        if not found:
            return
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def _descendants() -> list[int]:
    """Returns the living processes below this one, by the parent ids in /proc (proc(5))."""
    parents: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            state, parent = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(entry.name)] = int(parent)
    below: set[int] = {os.getpid()}
    while found := {process for process, parent in parents.items() if parent in below} - below:
        below |= found
    return sorted(below - {os.getpid()})


def _run_last(argv: list[str]) -> None:
    """Runs the command that ends what a dead connector leaves elsewhere (its container)."""
    if not argv:
        return
    process = os.spawnvp(os.P_NOWAIT, argv[0], argv)  # noqa: S606 - without a shell
    deadline = time.monotonic() + LAST_COMMAND_SECONDS
    while os.waitpid(process, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _remove(folder: Path) -> None:
    """Removes the files with the configuration: penstock may not live to do it."""
    for path, folders, files in os.walk(folder, topdown=False):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                Path(path, name).unlink()
        for name in folders:
            with contextlib.suppress(OSError):
                Path(path, name).rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
