"""Checkpoints kept beside the destination: where it cannot keep them, and those set by hand.

A destination with `StoresState` keeps checkpoints with its rows, and that copy is the truth: if
its tables are gone, so is the position. This store then holds only what the user set by hand
(`penstock state set`), until the next sync moves it to the destination.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import msgspec

from penstock.errors import AccessDenied, ConfigError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State, StateType


class StoredCheckpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest checkpoint of one stream, or the global one (`stream` None)."""

    stream: StreamDescriptor | None
    state: State | None
    generation_id: int = 0
    is_complete: bool = False
    fence: int = 0
    is_override: bool = False
    """Set by the user, not by a sync: it wins over what the destination holds, once."""


class StateStore(Protocol):
    """Keeps checkpoints by connection name."""

    def load(self, connection: str) -> tuple[StoredCheckpoint, ...]: ...

    def save(self, connection: str, checkpoint: StoredCheckpoint) -> None:
        """Makes the checkpoint durable, replacing the stream's older one.

        Raises ResourceBusy when one with a larger fence is already there: a newer attempt runs.
        """
        ...

    def forget(
        self, connection: str, streams: Sequence[StreamDescriptor | None] | None = None
    ) -> None:
        """Removes the checkpoints of these streams (None: the global one), or all of them."""
        ...

    def override(self, connection: str, states: Sequence[State]) -> None:
        """Sets states by hand; the next sync starts from them."""
        ...


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    checkpoints: tuple[StoredCheckpoint, ...] = ()


class FileStateStore:
    """One JSON file a connection, replaced atomically and synced to disk before `save` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, connection: str) -> tuple[StoredCheckpoint, ...]:
        path = self._path(connection)
        try:
            return msgspec.json.decode(path.read_bytes(), type=_File).checkpoints
        except FileNotFoundError:
            return ()
        except PermissionError as error:
            raise AccessDenied(
                f"The state file {path} cannot be read.", remedy="Give this user access to it."
            ) from error
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"The state file {path} is damaged: {error}.",
                remedy="Restore it from a backup, or remove it to start from the beginning.",
            ) from error

    def save(self, connection: str, checkpoint: StoredCheckpoint) -> None:
        with self._lock(connection):
            kept = []
            for old in self.load(connection):
                if old.stream != checkpoint.stream:
                    kept.append(old)
                elif old.fence > checkpoint.fence:
                    raise ResourceBusy(
                        f"A newer run of {connection} has already saved its state.",
                        remedy="Let the newer run finish; this one's work is superseded.",
                    )
            self._write(connection, (*kept, checkpoint))

    def forget(
        self, connection: str, streams: Sequence[StreamDescriptor | None] | None = None
    ) -> None:
        with self._lock(connection):
            if streams is None:
                self._path(connection).unlink(missing_ok=True)
                return
            kept = tuple(c for c in self.load(connection) if c.stream not in streams)
            self._write(connection, kept)

    def override(self, connection: str, states: Sequence[State]) -> None:
        new = tuple(
            StoredCheckpoint(
                stream=state.descriptor if state.kind is StateType.STREAM else None,
                state=state,
                is_override=True,
            )
            for state in states
        )
        named = {checkpoint.stream for checkpoint in new}
        with self._lock(connection):
            kept = tuple(c for c in self.load(connection) if c.stream not in named)
            self._write(connection, (*kept, *new))

    def _path(self, connection: str) -> Path:
        return self._folder / f"{file_name_of(connection)}.json"

    def _write(self, connection: str, checkpoints: tuple[StoredCheckpoint, ...]) -> None:
        document = _File(checkpoints=checkpoints)
        write_durably(self._path(connection), msgspec.json.encode(document))

    @contextmanager
    def _lock(self, connection: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / f"{file_name_of(connection)}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


@contextmanager
def exclusive(folder: Path, connection: str) -> Iterator[None]:
    """Holds the connection for one sync; raises ResourceBusy when another process has it.

    The lock is the operating system's: a process that dies, however it dies, releases it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{file_name_of(connection)}.lock"
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResourceBusy(
                f"A sync of {connection} is already running{_holder(handle)}.",
                remedy="Wait until it ends, or stop it; use --connection for a separate one.",
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _holder(handle: IO[str]) -> str:
    handle.seek(0)
    pid = handle.read().strip()
    return f" in process {pid}" if pid else ""


def file_name_of(connection: str) -> str:
    """Returns a file name for any connection name: readable, safe, and different for each."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", connection)[:80].strip(".") or "connection"
    if readable == connection == connection.lower():
        return readable
    return f"{readable}-{hashlib.sha256(connection.encode()).hexdigest()[:8]}"


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file's content atomically, readable by its owner only; durable on return."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_state_store(data_dir: Path) -> FileStateStore:
    """Returns the store under a penstock data folder; nothing is made until something is saved."""
    return FileStateStore(data_dir / "state")
