"""Small documents from the web, kept on disk: their age, time limits, use without a network."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from penstock.errors import ConfigError, ConnectionFailed, UnknownName

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
NOT_THERE = (403, 404, 410)
"""Object stores answer 403 for what is not there, when one may not list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A document on disk."""

    path: Path
    is_stale: bool
    """True when it is older than asked for, because nothing newer could be fetched."""


def fetch(url: str, folder: Path, *, max_age_seconds: float) -> Fetched:
    """Returns the document at `url`, fetched now unless a copy in `folder` is young enough.

    Raises UnknownName when the other side has no such document, ConnectionFailed when it cannot
    be reached and there is no copy either.
    """
    name = hashlib.sha256(url.encode()).hexdigest()[:20]
    path = folder / f"{name}{Path(urlsplit(url).path).suffix}"
    if path.exists() and time.time() - path.stat().st_mtime < max_age_seconds:
        return Fetched(path=path, is_stale=False)
    try:
        content = _get(url)
    except ConnectionFailed:
        if path.exists():
            return Fetched(path=path, is_stale=True)
        raise
    write_whole(path, content)
    return Fetched(path=path, is_stale=False)


def _get(url: str) -> bytes:
    import httpx  # noqa: PLC0415 - takes 0.1 s, and most commands fetch nothing

    try:
        limits = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        answer = httpx.get(url, timeout=limits, follow_redirects=True)
        if answer.status_code in NOT_THERE:
            raise UnknownName(
                f"There is nothing at {url} (HTTP {answer.status_code}).",
                remedy="Check the address, and the name in it.",
            )
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectionFailed(
            f"{url} could not be fetched: {error or type(error).__name__}.",
            remedy="Check the network, then repeat; or give a local file instead.",
        ) from error
    return answer.content


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, also for other processes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    except OSError as error:
        raise ConfigError(
            f"The cache folder {path.parent} cannot be written: {error.strerror}.",
            remedy="Set XDG_CACHE_HOME to a folder of your own.",
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
