"""Doing what is to happen after runs, on threads of its own; what came of it is kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, assert_never

import msgspec

from penstock.control.errands import Errands
from penstock.control.history import Event, Failure, HookRun, HookStatus, Run
from penstock.control.hooks.documents import (
    LONGEST_SECONDS,
    CommandHook,
    DbtHook,
    Hook,
    SqlHook,
    WebhookHook,
    read_hook,
)
from penstock.control.house import House
from penstock.control.launchers.local import NOT_INHERITED
from penstock.control.looking import Looking
from penstock.control.model import Connection
from penstock.control.notifying.senders import post_signed
from penstock.control.outcomes import failure_from
from penstock.control.secrets import texts_of
from penstock.control.store import connections, events, hook_runs, runs
from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    ConnectorFailed,
    PenstockError,
    TransientError,
)
from penstock.sdk.config import masked_text

MOST_TRIES: Final = 5
FIRST_WAIT: Final = timedelta(seconds=10)
_TAKEN_FOR: Final = timedelta(seconds=LONGEST_SECONDS + 300)
"""Longer than any hook takes; then its server is gone."""
_AT_ONCE: Final = 2
_LARGEST_OUTPUT: Final = 64 << 10
_LAST_WORDS_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    run: Run
    connection: Connection
    hook: Hook
    secrets: frozenset[str]


class HookRunner:
    """Does the hooks of a run one after the other; after one that failed the others are left out.

    What the other side cannot take now is tried again some times. A hook whose server died in its
    midst has failed: it may have done its work, and is not done twice.
    """

    def __init__(self, house: House, looking: Looking, *, allows_commands: bool) -> None:
        self._house = house
        self._looking = looking
        self._allows_commands = allows_commands
        self.errands = Errands("hooks", self._look, at_once=_AT_ONCE)
        self._children: set[subprocess.Popen[bytes]] = set()

    def stop(self) -> None:
        """Does no more; what takes longer than a moment is ended, and has failed."""
        self.errands.stop()
        for each in tuple(self._children):
            _kill(each)

    def end_leftovers(self) -> None:
        """On SQLite, which has one server: lets what an earlier one left be found at once."""
        with self._house.store.write() as tx:
            hook_runs.release_running(tx, now=self._house.clock())

    def _look(self, room: int) -> list[Callable[[], None]]:
        now = self._house.clock()
        with self._house.store.read() as tx:
            if not hook_runs.has_due(tx, now):
                return []
        with self._house.store.write() as tx:
            taken = hook_runs.take(
                tx, now, until=now + _TAKEN_FOR, owner=self._house.server_id, limit=room
            )
        return [partial(self._do, each) for each in taken]

    def _do(self, found: HookRun) -> None:
        begun = replace(
            found,
            status=HookStatus.RUNNING,
            tries=found.tries + 1,
            started_at=found.started_at or self._house.clock(),
            next_at=self._house.clock() + _TAKEN_FOR,
        )
        if found.status is HookStatus.RUNNING:
            lost = ConnectorFailed(
                "The server that did this is gone; it may be done, or half done.",
                remedy="Look what it did, and run the connection again.",
            )
            self._end(begun, error=lost)
            return
        secrets: frozenset[str] = frozenset()
        try:
            job = self._job(begun)
            secrets = job.secrets
            output = self._done(job)
        except PenstockError as error:
            self._end(begun, error=error, secrets=secrets)
        except Exception as error:
            bug = BugError(f"The hook failed: {type(error).__name__}.", remedy="See the log.")
            self._end(begun, error=bug)
            raise
        else:
            self._end(begun, output=masked_text(output, secrets))

    def _job(self, found: HookRun) -> _Job:
        with self._house.store.read() as tx:
            run = runs.get(tx, found.run_id)
            connection = connections.get(tx, found.connection_id, with_deleted=True)
            opened = self._house.secrets.opened(tx, found.hook)
        return _Job(
            run=run,
            connection=connection,
            hook=read_hook(opened),
            secrets=texts_of(opened, found.hook),
        )

    def _done(self, job: _Job) -> str:
        hook = job.hook
        match hook:
            case SqlHook():
                self._looking.execute(
                    job.connection.destination_id, hook.statements, seconds=hook.timeout_seconds
                )
                return f"{len(hook.statements)} statement(s) committed."
            case WebhookHook():
                return post_signed(
                    hook.url, hook.secret, f"run_{job.run.id}", _told(job), self._house.clock()
                )
            case CommandHook():
                self._require_allowed()
                return self._ran(["/bin/sh", "-c", hook.command], job)
            case DbtHook():
                self._require_allowed()
                return self._ran(_dbt(hook), job, folder=hook.project_dir)
            case _:
                assert_never(hook)

    def _ran(self, words: Sequence[str], job: _Job, *, folder: str | None = None) -> str:
        """Runs a program and returns the end of what it said; ConnectorFailed when it fails."""
        seconds = job.hook.timeout_seconds
        process = _started(words, job, folder)
        self._children.add(process)
        try:
            end = _End(process)
            is_late = not end.waited(seconds)
            if is_late:
                _kill(process)
            said = end.said()
        finally:
            self._children.discard(process)
        if is_late:
            raise ConnectorFailed(
                f"The command took longer than {seconds:g} s and was ended. It said: {said}",
                remedy="Give it more time (timeout_seconds), or let it do less.",
            )
        if process.returncode != 0:
            raise ConnectorFailed(
                f"The command ended with status {process.returncode}. It said: {said}",
                remedy="Look at what it said.",
            )
        return said

    def _require_allowed(self) -> None:
        if not self._allows_commands:
            raise AccessDenied(
                "This server runs no commands after a sync.",
                remedy="Start it with: penstock up --allow-commands. Whoever may edit connections "
                "can then run programs as the server's user.",
            )

    def _end(
        self,
        begun: HookRun,
        *,
        output: str = "",
        error: PenstockError | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        now = self._house.clock()
        failure = _failure(error, secrets) if error is not None else None
        is_again = isinstance(error, TransientError) and begun.tries < MOST_TRIES
        status = HookStatus.SUCCEEDED if error is None else HookStatus.FAILED
        ended = replace(
            begun,
            status=HookStatus.PENDING if is_again else status,
            next_at=now + FIRST_WAIT * 3 ** (begun.tries - 1) if is_again else now,
            output=output[-_LARGEST_OUTPUT:],
            failure=failure,
            ended_at=None if is_again else now,
        )
        with self._house.store.write() as tx:
            hook_runs.save(tx, ended)
            if is_again:
                return
            if error is not None:
                hook_runs.skip_after(tx, ended, now=now)
            run = runs.get(tx, ended.run_id)
            event = Event(
                at=now,
                kind=f"hook.{status.value}",
                workspace_id=run.workspace_id,
                connection_id=run.connection_id,
                run_id=run.id,
                data={
                    "number": ended.number,
                    "type": ended.hook.get("type"),
                    "hook": ended.hook.get("name") or ended.hook.get("type"),
                    **({"failure": failure} if failure else {}),
                },
            )
            events.note(tx, event)
        self.errands.wake()


def _failure(error: PenstockError, secrets: frozenset[str]) -> Failure:
    failure = failure_from(error)
    return replace(failure, message=masked_text(failure.message, secrets))


def _told(job: _Job) -> dict[str, Any]:
    run = job.run
    told: dict[str, Any] = msgspec.to_builtins(
        {
            "type": f"run.{run.status.value}",
            "run_id": run.id,
            "kind": run.kind,
            "status": run.status,
            "connection": {"id": job.connection.id, "name": job.connection.name},
            "rows_committed": run.rows_committed,
            "bytes_committed": run.bytes_committed,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "failure": run.failure,
        }
    )
    return told


def _dbt(hook: DbtHook) -> list[str]:
    program = shutil.which("dbt")
    if program is None:
        raise ConfigError(
            "There is no dbt on this server's path.",
            remedy="Install it where the server runs, as: pip install dbt-core dbt-duckdb.",
        )
    if not Path(hook.project_dir, "dbt_project.yml").is_file():
        raise ConfigError(
            f"{hook.project_dir} is no dbt project.",
            remedy="Name the folder that has dbt_project.yml.",
        )
    words = [program, "--no-use-colors", hook.command, "--project-dir", hook.project_dir]
    for flag, value in (
        ("--profiles-dir", hook.profiles_dir),
        ("--target", hook.target),
        ("--select", hook.select),
    ):
        if value:
            words += [flag, value]
    return words


def _started(words: Sequence[str], job: _Job, folder: str | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 (who started the server has allowed it)
            list(words),
            cwd=folder,
            env=_environment(job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigError(
            f"The command cannot be started: {error.strerror}.", remedy="Correct it."
        ) from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a program and all it has started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class _End:
    """The end of what a program says, however much that is."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._tail = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def waited(self, seconds: float) -> bool:
        """Tells whether the program ended in time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def said(self) -> str:
        """Returns its last words, when it has ended."""
        self._process.wait()
        # What it left in the background may keep the pipe open: that is not waited for.
        self._reader.join(_LAST_WORDS_SECONDS)
        return self._tail.decode(errors="replace").strip()

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output:
            while block := os.read(output.fileno(), _LARGEST_OUTPUT):
                self._tail = (self._tail + block)[-_LARGEST_OUTPUT:]


def _environment(job: _Job) -> Mapping[str, str]:
    """Returns what a program is told; never the keys of the server."""
    run = job.run
    return {
        **{name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
        "PENSTOCK_RUN_ID": str(run.id),
        "PENSTOCK_RUN_STATUS": run.status.value,
        "PENSTOCK_ROWS_COMMITTED": str(run.rows_committed),
        "PENSTOCK_CONNECTION_ID": job.connection.id,
        "PENSTOCK_CONNECTION_NAME": job.connection.name,
    }
