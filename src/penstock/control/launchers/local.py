"""Attempts as child processes of this one, which end when it does, however it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from penstock.errors import BugError, ResourceExhausted

NOT_INHERITED: Final = frozenset({"PENSTOCK_SECRET_KEY", "PENSTOCK_DATABASE_URL"})
"""A runner resolves `${env:X}` for whoever wrote a configuration: never our own secrets."""
_LONGEST_LINE: Final = 64 << 10


class LocalLauncher:
    """Runs each document in a process of its own, in a session of its own."""

    def __init__(self, data_dir: Path, *, environment: Mapping[str, str] | None = None) -> None:
        """`data_dir` is where runners keep their files (`PENSTOCK_HOME`)."""
        inherited = os.environ if environment is None else environment
        self._environment = {
            **{name: value for name, value in inherited.items() if name not in NOT_INHERITED},
            "PENSTOCK_HOME": str(data_dir),
        }

    def submit(self, document: bytes, job_id: str) -> LocalJob:
        """Starts a process and hands it the document; its standard input stays open.

        That is its lifeline: it closes when this process is gone, and the run stops.
        """
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "penstock.cli.attended"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ResourceExhausted(
                f"The process of {job_id} could not be started: {error.strerror}.",
                remedy="Look at the limits of processes, open files and memory of this machine.",
            ) from error
        return LocalJob(process, document)


class LocalJob:
    """One child process."""

    def __init__(self, process: subprocess.Popen[bytes], document: bytes) -> None:
        self._process = process
        # A document larger than the pipe waits for the child to read; nobody else should.
        threading.Thread(
            target=self._hand_over, args=(document,), name="penstock-document", daemon=True
        ).start()

    @property
    def pid(self) -> int:
        """The child's process id, which is also its group's."""
        return self._process.pid

    def lines(self) -> Iterator[bytes]:
        """Yields what the child says, a line at a time."""
        with _pipe(self._process.stdout) as output:
            yield from output

    def complaints(self) -> Iterator[str]:
        """Yields what the child writes to standard error."""
        with _pipe(self._process.stderr) as output:
            while line := output.readline(_LONGEST_LINE):
                yield line.decode(errors="replace").rstrip("\n")

    def stop(self) -> None:
        """Sends SIGTERM: the run keeps what is covered by a state, and ends."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kills the child's group; connectors that left it end by their own lifelines."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Waits for the child; closes the lifeline."""
        status = self._process.wait()
        with suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        return status

    def _hand_over(self, document: bytes) -> None:
        lifeline = _pipe(self._process.stdin)
        with suppress(BrokenPipeError, ValueError):  # it has ended already, and says why itself
            lifeline.write(document + b"\n")
            lifeline.flush()


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise BugError("A child process was started without its pipes.", remedy="Report it.")
    return end
