"""Real processes that send a feed and are killed with SIGKILL, and real processes that look.

Children come from a fork server that has imported connector and driver once, so that a round costs
milliseconds. Nothing here opens the destination in the test's own process: what it would keep
open (locks, caches) cannot blur the picture. The test class travels as the name and file of its
module, since pytest can make modules that nobody else could import.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.sdk.destination import StoredState
from penstock.testing import expect
from penstock.testing.cells import Found
from penstock.testing.feed import Feed, Notebook, send
from penstock.testing.lab import Makes

_PATIENCE_SECONDS: Final = 60.0
_SUITE_MODULE: Final = "penstock.testing.destination_suite"
"""By name, since it imports this module; it brings pytest and pyarrow, which take longest."""
_LATE_IMPORTS: Final = ("pandas",)
"""pyarrow imports it, where it is installed, with the first array it makes: a second a child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReference:
    """Where a child finds the test class."""

    module: str
    file: str
    name: str

    @classmethod
    def to(cls, suite: type[Makes]) -> ClassReference:
        """Returns the reference to a class at the top of its module."""
        file = inspect.getsourcefile(suite)
        return cls(module=suite.__module__, file=file or "", name=suite.__qualname__)

    def load(self) -> type[Makes]:
        """Returns the class, importing its module or running its file."""
        try:
            module = importlib.import_module(self.module)
        except ModuleNotFoundError:
            module = self._from_file()
        found: type[Makes] = getattr(module, self.name)
        return found

    def _from_file(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        if spec is None or spec.loader is None:
            raise ConfigError(
                f"The test class {self.name} cannot be found in {self.file}.",
                remedy="Define it at the top of a module.",
            )
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module
        spec.loader.exec_module(module)
        return module


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One feed into one place, through the connector of one test class."""

    suite: ClassReference
    modules: tuple[str, ...]
    """Those of the destination and of its driver, imported once for all children."""
    place: Path
    feed: Feed

    @classmethod
    def of(cls, suite: type[Makes], place: Path, feed: Feed) -> Job:
        """Returns the job for a test class."""
        reference = ClassReference.to(suite)
        modules = (suite.destination.__module__, *suite.loaded_once)
        return cls(suite=reference, modules=modules, place=place, feed=feed)

    def notebook(self, destination: Any) -> Notebook:
        return Notebook(self.place / "notebook.json", destination)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a process of its own found: the table's rows (None: no table), and the checkpoint."""

    rows: Sequence[Mapping[str, Found]] | None
    stored: StoredState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a sending process ended."""

    was_killed: bool
    seconds: float
    """From its first step to its end."""
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """When a sender is killed: so long after it has told of that many steps.

    Counted in steps, since a busy machine stretches time.
    """

    after_steps: int
    after_seconds: float


def send_in_process(job: Job, *, fence: int = 0, kill: Kill | None = None) -> Ending:
    """Sends in a process of its own, killed with SIGKILL as asked unless it ended before.

    An error in the process fails the test with the process's own traceback.
    """
    process, pipe = _started(_send, job, fence)
    steps: list[str] = []
    began = _begun(pipe)
    deadline: float | None = None
    try:
        while True:
            if kill is not None and deadline is None and len(steps) >= kill.after_steps:
                deadline = time.monotonic() + kill.after_seconds
            if not pipe.poll(_left(deadline)):
                break
            kind, value = _received(pipe)
            if kind == "done":
                process.join(_PATIENCE_SECONDS)
                return _ending(began, steps, was_killed=False)
            steps.append(value)
        if deadline is None:
            raise expect.broken(f"the sender said nothing for {_PATIENCE_SECONDS:.0f} seconds")
        process.kill()
        return _ending(began, steps, was_killed=True)
    finally:
        _end(process, pipe)


def _ending(began: float, steps: list[str], *, was_killed: bool) -> Ending:
    seconds = time.monotonic() - began
    return Ending(was_killed=was_killed, seconds=seconds, steps=tuple(steps))


def _end(process: Any, pipe: Connection) -> None:
    process.kill()
    process.join(_PATIENCE_SECONDS)
    process.close()
    pipe.close()


def look_in_process(job: Job) -> Sight:
    """Reads table and checkpoint in a process of its own."""
    process, pipe = _started(_look, job, 0)
    try:
        _begun(pipe)
        if not pipe.poll(_PATIENCE_SECONDS):
            raise expect.broken(f"the reader said nothing for {_PATIENCE_SECONDS:.0f} seconds")
        _, sight = _received(pipe)
        process.join(_PATIENCE_SECONDS)
    finally:
        _end(process, pipe)
    if not isinstance(sight, Sight):
        raise expect.broken(f"the reader answered {sight!r}")
    return sight


def _started(
    work: Callable[[Job, int, Connection], None], job: Job, fence: int
) -> tuple[Any, Connection]:
    context = _fork_server(job.modules)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, job, fence, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


@functools.lru_cache(maxsize=1)
def _fork_server(modules: tuple[str, ...]) -> ForkServerContext:
    """Returns what starts children; a server that has imported other modules is ended.

    There is no public way to end it (CPython's own tests call this one).
    """
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", _SUITE_MODULE, *modules, *_LATE_IMPORTS])
    return context


def _begun(pipe: Connection) -> float:
    if not pipe.poll(_PATIENCE_SECONDS):
        raise expect.broken("the process did not start")
    _received(pipe)
    return time.monotonic()


def _received(pipe: Connection) -> tuple[str, Any]:
    try:
        kind, value = pipe.recv()
    except EOFError as error:
        raise expect.broken("the process died on its own, without a word") from error
    if kind == "failed":
        raise expect.broken(f"the process failed:\n{value}")
    return kind, value


def _left(deadline: float | None) -> float:
    return _PATIENCE_SECONDS if deadline is None else max(0.0, deadline - time.monotonic())


def _child(
    work: Callable[[Job, int, Connection], None], job: Job, fence: int, pipe: Connection
) -> None:
    try:
        pipe.send(("begin", None))
        work(job, fence, pipe)
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))
        raise


def _send(job: Job, fence: int, pipe: Connection) -> None:
    suite = job.suite.load()()
    destination = suite.destination(suite.config(job.place))
    send(
        destination,
        job.feed,
        notebook=job.notebook(destination),
        fence=fence,
        tell=lambda step: pipe.send(("step", step)),
    )
    pipe.send(("done", None))


def _look(job: Job, fence: int, pipe: Connection) -> None:
    del fence
    suite = job.suite.load()()
    destination = suite.destination(suite.config(job.place))
    stored = job.notebook(destination).load(job.feed.plan)
    rows = suite.read_table(job.place, job.feed.plan.table)
    pipe.send(("sight", Sight(rows=rows, stored=stored)))
