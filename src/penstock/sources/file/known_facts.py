"""What was found in a version of a file, kept on disk: no later sync has to look for it again.

A folder of ten thousand files of which one is new is then one file's work, also for the process
that discovers before another one reads.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from penstock import __version__
from penstock.sdk.cache_root import cache_root
from penstock.sdk.files.listing import FileRef
from penstock.sources.file.kinds import TEXT_RULES
from penstock.sources.file.reading import FileFacts

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_DAY_SECONDS: Final = 86_400
_KEPT_DAYS: Final = 90
_BUSY_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 2.0
"""A file may change twice between two ticks of its clock: a younger one is looked at again."""

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS facts (key BLOB PRIMARY KEY, facts BLOB NOT NULL,"
    " used INTEGER NOT NULL) WITHOUT ROWID"
)


def known_facts(ref: FileRef, recipe: object) -> FileFacts | None:
    """Returns what an earlier look at this version of a file found; None when there was none."""
    if not ref.has_version:
        return None
    return _with_database(functools.partial(_found, _key(ref, recipe), int(time.time())))


def keep_facts(ref: FileRef, recipe: object, found: FileFacts) -> None:
    """Keeps what a look at a version of a file has found, for ninety days after its last use."""
    now = time.time()
    if not ref.has_version:
        return
    if ref.modified is not None and now - ref.modified.timestamp() < _SETTLED_SECONDS:
        return
    row = (_key(ref, recipe), msgspec.json.encode(found), int(now))
    _with_database(
        lambda facts: facts.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", row)
    )


def _found(key: bytes, now: int, facts: sqlite3.Connection) -> FileFacts | None:
    row = facts.execute("SELECT facts, used FROM facts WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    if now - row[1] > _DAY_SECONDS:
        facts.execute("UPDATE facts SET used = ? WHERE key = ?", (now, key))
    return msgspec.json.decode(row[0], type=FileFacts)


def _with_database(work: Callable[[sqlite3.Connection], Result]) -> Result | None:
    """Returns what the work does; None, and a line in the log, where the folder cannot be used."""
    try:
        path = cache_root() / "file-facts.sqlite"
        _made(path)
        with closing(_connected(path)) as facts:
            return work(facts)
    except (OSError, RuntimeError, sqlite3.Error) as error:  # RuntimeError: a user without a home
        log.info(
            "what is found in files cannot be kept for the next sync", extra={"error": str(error)}
        )
        return None


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)


@functools.lru_cache(maxsize=16)
def _made(path: Path) -> None:
    """Makes the table, and forgets what was not used for long; once in the life of a process."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(_connected(path)) as facts:
        facts.execute(_TABLE)
        since = int(time.time()) - _KEPT_DAYS * _DAY_SECONDS
        facts.execute("DELETE FROM facts WHERE used < ?", (since,))


@functools.cache
def _rules() -> str:
    """Names the rules that facts were found by: other rules find other ones."""
    return f"{__version__} {sorted(TEXT_RULES.items())}"


def _key(ref: FileRef, recipe: object) -> bytes:
    parts: list[Any] = [_rules(), ref.url, ref.version(), msgspec.to_builtins(recipe)]
    return hashlib.sha256(msgspec.json.encode(parts)).digest()
