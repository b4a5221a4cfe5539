"""The log of an attempt: a file of JSON lines that is read from any offset while it grows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import msgspec

from penstock.errors import ResourceExhausted, UnknownName
from penstock.sdk.config import masked_text

logger = logging.getLogger(__name__)

LARGEST_LOG_BYTES: Final = 100 << 20
LARGEST_MESSAGE: Final = 32 << 10
_LONGEST_LINE: Final = 1 << 20
_LOOKED_THROUGH: Final = 16 << 20
"""Of a log that is searched, at one time."""
_MOST_FOUND: Final = 1_000


class LogRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a log."""

    at: datetime
    level: str
    message: str
    origin: str = "penstock"
    """source, destination or penstock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """Some lines of a log, and where the next ones begin."""

    records: tuple[LogRecord, ...]
    offsets: tuple[int, ...]
    """Where each of them begins, in bytes."""
    next_offset: int
    """In bytes; equal to the offset asked for when nothing more was there."""
    size: int
    """Bytes the log has now."""


class AttemptLog:
    """Writes one attempt's log; safe to use from several threads.

    Beyond a size the rest is dropped and counted, and said so at the end: a connector that says
    one thing a billion times cannot fill the disk.
    """

    def __init__(
        self, path: Path, *, secrets: frozenset[str], limit_bytes: int = LARGEST_LOG_BYTES
    ) -> None:
        """Creates the file, readable by the owner only. `secrets` are masked in every message.

        Raises ResourceExhausted where it cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = path.open("ab", buffering=0)
            path.chmod(0o600)
        except OSError as error:
            raise ResourceExhausted(
                f"The log {path} cannot be written: {error.strerror}.",
                remedy="Free some disk space, and look at the folder's owner and permissions.",
            ) from error
        self._path = path
        self._secrets = secrets
        self._limit = limit_bytes
        self._written = path.stat().st_size
        self._dropped = 0
        self._is_full = False
        self._is_over = False
        self._turn = threading.Lock()

    def __enter__(self) -> AttemptLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, at: datetime, level: str, message: str, *, origin: str = "penstock") -> None:
        """Adds one line, whole or not at all; a full disk loses lines, not the sync."""
        if self._is_over:  # neither masked nor encoded: a connector may say a billion things
            with self._turn:
                self._dropped += 1
            return
        text = masked_text(message, self._secrets)
        if len(text) > LARGEST_MESSAGE:
            text = f"{text[:LARGEST_MESSAGE]}… ({len(text)} characters)"
        record = LogRecord(at=at, level=level.upper(), message=text, origin=origin)
        line = msgspec.json.encode(record) + b"\n"
        with self._turn:
            if self._written + len(line) > self._limit:
                self._is_over = True
                self._dropped += 1
                return
            self._put(line)

    def close(self) -> None:
        """Says what was dropped, and closes the file."""
        with self._turn:
            if self._dropped:
                end = LogRecord(
                    at=datetime.now().astimezone(),
                    level="WARN",
                    message=f"{self._dropped} further lines were left out of this log.",
                )
                self._put(msgspec.json.encode(end) + b"\n")
            self._file.close()

    def _put(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._written += len(line)
        except OSError as error:
            self._dropped += 1
            if not self._is_full:
                logger.warning(
                    "log cannot be written", extra={"path": str(self._path), "why": error.strerror}
                )
            self._is_full = True


def read_log(
    path: Path,
    *,
    offset: int = 0,
    limit_bytes: int = 1 << 20,
    wanted: Callable[[LogRecord], bool] | None = None,
) -> LogPart:
    """Returns whole lines from an offset on; raises UnknownName when there is no such log.

    An offset within a line begins with the next one. With `wanted` the lines it says True of, up
    to a thousand; some further megabytes are looked through where there are few.
    """
    records: list[LogRecord] = []
    offsets: list[int] = []
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            # Beyond the end nothing is sought: file systems refuse offsets larger than any file.
            position = offset if offset >= size else _beginning(file, offset)
            end = position + (limit_bytes if wanted is None else _LOOKED_THROUGH)
            while position < min(end, size) and len(records) < _MOST_FOUND:
                file.seek(position)
                block = file.read(limit_bytes)
                whole = block[: block.rfind(b"\n") + 1]
                if not whole:
                    break
                for start, record in _records(whole, position):
                    if wanted is None or wanted(record):
                        records.append(record)
                        offsets.append(start)
                position += len(whole)
    except FileNotFoundError as error:
        raise UnknownName(
            "The log of this attempt is gone.",
            remedy="It was removed for its age, or the attempt ran on another server.",
        ) from error
    return LogPart(records=tuple(records), offsets=tuple(offsets), next_offset=position, size=size)


def _beginning(file: IO[bytes], offset: int) -> int:
    """Returns where the first whole line at or after an offset begins."""
    if offset <= 0:
        return 0
    file.seek(offset - 1)
    before = file.read(1)
    if before in (b"\n", b""):
        return offset
    file.readline(_LONGEST_LINE)
    return file.tell()


def _records(block: bytes, position: int) -> Iterator[tuple[int, LogRecord]]:
    for line in block.splitlines(keepends=True):
        try:
            record = msgspec.json.decode(line, type=LogRecord)
        except msgspec.DecodeError:  # the disk was full in the middle of it
            record = LogRecord(
                at=datetime.fromtimestamp(0).astimezone(), level="WARN", message="(damaged line)"
            )
        yield position, record
        position += len(line)
