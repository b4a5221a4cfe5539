"""One job done by several tools in turn: measured, then checked against the facts."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.measure import Measurement, measure
from benchmarks.peers import Installed
from benchmarks.places import OUTPUT, shown
from benchmarks.verify import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One command that does the job once, in a fresh folder."""

    command: tuple[str, ...]
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    discard_output: bool = False
    judge: Callable[[Measurement], Verdict | None] = lambda _: None
    """Looks at what the command left, outside the measured time; raises when it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A tool with a way to do the job; `prepare` gets an empty folder before every round."""

    label: str
    installed: Installed
    prepare: Callable[[Path], Attempt]
    rounds: int = 3
    timeout_seconds: float = 1200

    @property
    def patience_seconds(self) -> float:
        """How long it may take; PENSTOCK_BENCH_PEER_SECONDS shortens what slow peers get."""
        longest = os.environ.get("PENSTOCK_BENCH_PEER_SECONDS")
        if longest is None or self.installed.peer.package in ("penstock", "duckdb"):
            return self.timeout_seconds
        return min(self.timeout_seconds, float(longest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one round cost."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One line of a result table."""

    label: str
    tool: str
    version: str
    runs: tuple[Run, ...] = ()
    verdict: Verdict | None = None
    failure: str | None = None
    """Why there is no figure: could not be installed, ended in an error, lost rows, too slow."""
    command: str = ""

    @property
    def wall_seconds(self) -> float:
        return statistics.median(run.wall_seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_mib(self) -> float:
        return max(run.peak_mib for run in self.runs)

    @property
    def is_ours(self) -> bool:
        return self.tool.startswith("penstock")

    @property
    def succeeded(self) -> bool:
        return bool(self.runs) and self.failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One job and what each tool made of it."""

    path: str
    """Which benchmark file it belongs to, as `messages` or `control`."""
    title: str
    rows: int = 0
    megabytes: float = 0.0
    outcomes: tuple[Outcome, ...] = ()

    def outcome(self, label: str) -> Outcome | None:
        """Returns the line of one contender."""
        return next((found for found in self.outcomes if found.label == label), None)


def contest(table: Table, contenders: Sequence[Contender], *, rounds: int | None = None) -> Table:
    """Runs the contenders in turn, round by round, and returns the table filled.

    A contender that fails once is out. `rounds` caps everybody's rounds.
    """
    outcomes = {
        entry.label: Outcome(
            label=entry.label,
            tool=entry.installed.peer.name,
            version=entry.installed.version,
            failure=entry.installed.failure and f"not installed: {entry.installed.failure}",
        )
        for entry in contenders
    }
    say(f"{table.path}: {table.title}")
    for turn in range(max(entry.rounds for entry in contenders)):
        for entry in contenders:
            limit = min(entry.rounds, rounds or entry.rounds)
            if turn < limit and outcomes[entry.label].failure is None:
                outcomes[entry.label] = _round(entry, outcomes[entry.label])
    return replace(table, outcomes=tuple(outcomes.values()))


def _round(entry: Contender, so_far: Outcome) -> Outcome:
    folder = OUTPUT / f"round-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    attempt = entry.prepare(folder)
    so_far = replace(so_far, command=shown(" ".join(attempt.command)))
    done = measure(
        attempt.command,
        scratch=folder / "streams",
        stdin=attempt.stdin,
        environment={"DO_NOT_TRACK": "1", **attempt.environment},
        timeout_seconds=entry.patience_seconds,
        discard_output=attempt.discard_output,
    )
    try:
        failure, verdict = _judged(entry, attempt, done)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if failure:
        say(f"  {entry.label}: {failure}")
        return replace(so_far, failure=failure, verdict=verdict)
    run = Run(wall_seconds=done.wall_seconds, cpu_seconds=done.cpu_seconds, peak_mib=done.peak_mib)
    say(
        f"  {entry.label}: {run.wall_seconds:.2f} s wall, {run.cpu_seconds:.2f} s CPU,"
        f" {run.peak_mib:.0f} MiB"
    )
    return replace(so_far, runs=(*so_far.runs, run), verdict=verdict)


def _judged(
    entry: Contender, attempt: Attempt, done: Measurement
) -> tuple[str | None, Verdict | None]:
    if done.timed_out:
        return f"stopped after {entry.patience_seconds:.0f} s", None
    if done.exit_status:
        words = (done.stderr_tail.strip() or done.stdout.strip()).splitlines()[-1:]
        return f"exit status {done.exit_status}: {''.join(words)[-400:]}", None
    try:
        verdict = attempt.judge(done)
    except RuntimeError as error:
        return str(error), None
    if verdict is not None and not verdict.is_whole:
        return f"lost rows: {verdict.rows:,} of {verdict.rows_expected:,} arrived", verdict
    return None, verdict


def say(text: str) -> None:
    """Prints progress of the measurement itself."""
    print(text, file=sys.stderr, flush=True)
