"""One connector process under its guard: its input, its output, its last words, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from penstock.engine.runners.guard import END_OF_INPUT
from penstock.engine.runners.pipe import enlarge_pipe

GUARD = Path(__file__).with_name("guard.py")
TAIL_LINES = 200
PENDING_LINES = 10_000
"""Lines of stderr kept for a reader that is busy; older ones are dropped and counted."""
DRAIN_SECONDS = 2.0
"""How long the rest of stderr is waited for when something that survived still holds it."""
LINE_BYTES = 64 << 10
"""A longer line of stderr is cut into lines of this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a connector ended; exactly one of the first three is set, none when it vanished."""

    code: int | None = None
    signal: int | None = None
    start_error: str | None = None
    was_forced: bool = False
    """True when it had to be killed after the grace period."""

    @property
    def is_good(self) -> bool:
        """True after exit status 0."""
        return self.code == 0

    def describe(self) -> str:
        """Returns the end as the rest of a sentence: "ended with exit status 1"."""
        if self.start_error is not None:
            return f"could not be started: {self.start_error}"
        if self.code is not None:
            return f"ended with exit status {self.code}"
        if self.signal is not None:
            return f"was ended by {_signal_name(self.signal)}"
        return "vanished without an exit status"


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number == signal.SIGKILL:
        name += " (often the kernel, when memory runs out)"
    return name


class Child:
    """A started program. `stdout` is read by the owner; stderr by a thread of this.

    The owner calls `close` in the end, which ends the program if it still runs.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str],
        grace_seconds: float,
        last: Sequence[str] = (),
        has_input: bool = False,
    ) -> None:
        """Starts `argv`. The guard removes `folder`, and runs `last`, if penstock cannot.

        `last` is run only when the program had to be killed: it ends what that leaves elsewhere.
        With `has_input` the program reads what the owner writes to `stdin`, a descriptor that
        does not block; only `end_input` ends it.
        """
        self._grace_seconds = grace_seconds
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=PENDING_LINES)
        self._dropped = 0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._exit: Exit | None = None
        self.wake, self._wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._wake_write, False)
        self._lifeline, theirs = socket.socketpair()
        self.stdout, stdout_write = os.pipe()
        stderr, stderr_write = os.pipe()
        enlarge_pipe(self.stdout)
        stdin_read, self.stdin = os.pipe() if has_input else (-1, -1)
        if has_input:
            enlarge_pipe(self.stdin)
            os.set_blocking(self.stdin, False)
        order = {
            "fd": theirs.fileno(),
            "input": self.stdin,
            "argv": list(argv),
            "grace_seconds": grace_seconds,
            "folder": str(folder),
            "last": list(last),
        }
        try:
            self._guard = subprocess.Popen(  # noqa: S603 - our own guard; argv is the user's
                [sys.executable, "-I", "-S", str(GUARD), json.dumps(order)],
                stdin=stdin_read if has_input else subprocess.DEVNULL,
                stdout=stdout_write,
                stderr=stderr_write,
                pass_fds=(theirs.fileno(), *((self.stdin,) if has_input else ())),
                start_new_session=True,
                env=dict(env),
            )
        except BaseException:
            self._close_descriptors()
            os.close(stderr)
            raise
        finally:
            theirs.close()
            os.close(stdout_write)
            os.close(stderr_write)
            if has_input:
                os.close(stdin_read)
        self._drain = threading.Thread(
            target=self._drain_stderr, args=(stderr,), name="penstock-stderr", daemon=True
        )
        self._drain.start()

    def take_lines(self) -> list[str]:
        """Returns the lines of stderr that came since the last call."""
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.insert(0, f"({dropped} lines of stderr before these were dropped)")
        return lines

    def end_input(self) -> None:
        """Lets the program see that its input has ended, as it should."""
        with self._lock:
            if self.stdin < 0:
                return
            os.close(self.stdin)
            self.stdin = -1
            with suppress(OSError):  # the guard has ended, and the program with it
                self._lifeline.send(END_OF_INPUT)

    def stop(self) -> None:
        """Asks the program to end (SIGTERM, after the grace period SIGKILL); returns at once.

        May be called from any thread, and more than once.
        """
        with self._lock:
            if self._lifeline.fileno() >= 0 and self._exit is None:
                try:
                    self._lifeline.shutdown(socket.SHUT_WR)
                except OSError:
                    return  # the guard has ended: nothing is left to stop
        self._wake_owner()

    def wait(self, seconds: float) -> Exit | None:
        """Returns how the program ended, waiting for it; None when it still runs after that."""
        if self._exit is not None:
            return self._exit
        self._lifeline.settimeout(max(seconds, 0.001))
        try:
            told = self._lifeline.recv(65536)
        except TimeoutError:
            return None
        except ConnectionError:
            told = b""
        self._guard.wait()
        outcome = json.loads(told) if told else {}
        self._exit = Exit(
            code=outcome.get("exit"),
            signal=outcome.get("signal"),
            start_error=outcome.get("start_error"),
            was_forced=outcome.get("forced", False),
        )
        self._drain.join(DRAIN_SECONDS)
        return self._exit

    def close(self) -> None:
        """Ends the program if it runs, and lets go of everything."""
        self.stop()
        if self.wait(self._grace_seconds + 60) is None:
            self._guard.kill()
            self._guard.wait()
        self._drain.join(DRAIN_SECONDS)
        with self._lock:
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        self._lifeline.close()
        for descriptor in (self.stdin, self.stdout, self.wake, self._wake_write):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdin = self.stdout = self.wake = self._wake_write = -1

    def _drain_stderr(self, descriptor: int) -> None:
        rest = b""
        with os.fdopen(descriptor, "rb", buffering=0) as stderr:
            while block := stderr.read(65536):
                *lines, rest = (rest + block).split(b"\n")
                while len(rest) > LINE_BYTES:
                    lines.append(rest[:LINE_BYTES])
                    rest = rest[LINE_BYTES:]
                self._keep(lines)
        self._keep([rest] if rest else [])

    def _keep(self, lines: Sequence[bytes]) -> None:
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        texts = [text for text in texts if text.strip()]
        with self._lock:
            self._dropped += max(0, len(self._lines) + len(texts) - PENDING_LINES)
            self._lines.extend(texts)
            self.tail.extend(texts)
        if texts:
            self._wake_owner()

    def _wake_owner(self) -> None:
        with self._lock:
            if self._wake_write < 0:
                return
            try:
                os.write(self._wake_write, b"w")
            except BlockingIOError:
                return  # the pipe is full of wakes already
