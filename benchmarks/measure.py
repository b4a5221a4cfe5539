"""One command, measured: wall time, CPU and peak memory of its whole process tree (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.01
"""Between two looks at the tree's memory; a look costs about 0.2 ms."""
PR_SET_CHILD_SUBREAPER = 36
PF_FORKNOEXEC = 0x40
"""proc(5), `flags`; include/linux/sched.h."""
STDERR_TAIL = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one run of one command cost, and how it ended."""

    wall_seconds: float
    cpu_seconds: float
    """User + system, of the command and every process it started."""
    peak_mib: float
    """Highest sum of resident sets over the tree; pages shared by two programs count twice."""
    exit_status: int
    stdout: str
    stderr_tail: str
    timed_out: bool = False


def adopt_orphans() -> None:
    """Makes processes that outlive their parent ours to wait for, so that their CPU counts."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def measure(
    command: Sequence[str],
    *,
    scratch: Path,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 1200,
    discard_output: bool = False,
) -> Measurement:
    """Runs a command to its end and returns its cost; a timeout kills the tree and is reported.

    `adopt_orphans` must have been called once. Output goes through files in `scratch`, so that
    nothing of ours sits between the command and its own speed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    given, out, err = scratch / "stdin", scratch / "stdout", scratch / "stderr"
    given.write_bytes(stdin)
    with (
        given.open("rb") as given_file,
        Path(os.devnull if discard_output else out).open("wb") as out_file,
        err.open("wb") as err_file,
    ):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        spared = set(_children(os.getpid()))
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            stdin=given_file,
            stdout=out_file,
            stderr=err_file,
            env={**os.environ, **(environment or {})},
            cwd=scratch,
            start_new_session=True,
        )
        watch = _Watch(process.pid, timeout_seconds)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.finish()
        _reap_orphans(spared)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measurement(
        wall_seconds=wall,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_mib=max(watch.peak_kib, _own_peak_kib(usage)) / 1024,
        exit_status=process.returncode,
        stdout="" if discard_output else out.read_text(errors="replace"),
        stderr_tail=err.read_text(errors="replace")[-STDERR_TAIL:],
        timed_out=watch.timed_out,
    )


def _own_peak_kib(usage: resource.struct_rusage) -> int:
    """Returns the exact peak of the command itself, 0 where it only shows ours.

    Linux counts what a process had before exec, which is a copy of this one (getrusage(2)).
    """
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage.ru_maxrss if usage.ru_maxrss > ours else 0


class _Watch(threading.Thread):
    """Samples the memory of a process tree, and ends the tree when its time is up."""

    def __init__(self, pid: int, timeout_seconds: float) -> None:
        super().__init__(daemon=True)
        self.peak_kib = 0
        self.timed_out = False
        self._pid = pid
        self._deadline = time.monotonic() + timeout_seconds
        self._finished = threading.Event()

    def run(self) -> None:
        while not self._finished.wait(SAMPLE_SECONDS):
            tree = _tree(self._pid)
            self.peak_kib = max(self.peak_kib, sum(_resident_kib(pid) for pid in tree))
            if time.monotonic() > self._deadline:
                self.timed_out = True
                for pid in tree:
                    _kill(pid)

    def finish(self) -> None:
        self._finished.set()
        self.join()


def _tree(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(_children(pid))
    return found


def _resident_kib(pid: int) -> int:
    """Returns the resident set; of a forked child that runs no other program, its own pages.

    Between fork and exec a child shows all of its parent's memory, which would count twice.
    """
    process = Path(f"/proc/{pid}")
    try:
        flags = int((process / "stat").read_text().rpartition(")")[2].split()[6])
        if flags & PF_FORKNOEXEC:
            lines = (process / "smaps_rollup").read_text().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
        pages = int((process / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found.extend(int(word) for word in (task / "children").read_text().split())
    return found


def _reap_orphans(spared: set[int]) -> None:
    """Waits two seconds for processes the command left behind, then ends them.

    `spared` were there before it: a server that every round uses.
    """
    deadline = time.monotonic() + 2
    while left := [pid for pid in _children(os.getpid()) if pid not in spared]:
        for pid in left:
            os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            for pid in left:
                for orphan in _tree(pid):
                    _kill(orphan)
        time.sleep(0.005)
