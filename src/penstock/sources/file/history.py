"""Which files a stream has read: the State of a file stream, kept small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.sdk.files.listing import FileRef

_FORMAT: Final = 1
KEPT_FILES: Final = 10_000
"""Files remembered one by one; of older ones only the time of the newest is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A file in the middle of being read."""

    url: str
    version: list[Any]
    rows: int
    """Rows of it that were yielded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The files read, each with its version, and how far the current one is read."""

    files: Mapping[str, list[Any]]
    forgotten_until: str | None = None
    """Files last changed at or before this time that are not in `files` count as read."""
    current: Current | None = None
    is_complete: bool = False

    def has_read(self, ref: FileRef) -> bool:
        """Tells whether this version of the file was read to its end."""
        known = self.files.get(ref.url)
        if known is not None:
            return ref.has_version and known == ref.version()
        until, modified = self.forgotten_until, ref.modified_text
        return until is not None and modified is not None and modified <= until

    def rows_read(self, ref: FileRef) -> int:
        """Returns how many rows of the file an interrupted sync has yielded already."""
        current = self.current
        is_same = current is not None and current.url == ref.url and ref.has_version
        if current is None or not is_same or current.version != ref.version():
            return 0
        return current.rows

    def within(self, ref: FileRef, rows: int) -> History:
        """Returns the history after `rows` rows of a file."""
        return replace(
            self, current=Current(url=ref.url, version=ref.version(), rows=rows), is_complete=False
        )

    def after(self, ref: FileRef) -> History:
        """Returns the history after the last row of a file; forgets the oldest beyond the limit."""
        files = {**self.files, ref.url: ref.version()}
        until = self.forgotten_until
        if len(files) > KEPT_FILES:
            by_age = sorted(files, key=lambda url: (files[url][0] or "", url))
            for url in by_age[: len(files) - KEPT_FILES]:
                until = max(until or "", files.pop(url)[0] or "") or None
        return replace(self, files=files, forgotten_until=until, current=None)

    def value(self) -> dict[str, Any]:
        """Returns the history as a State's JSON value."""
        value: dict[str, Any] = {"format": _FORMAT, "files": dict(self.files)}
        if self.forgotten_until is not None:
            value["forgotten_until"] = self.forgotten_until
        if self.current is not None:
            current = self.current
            value["current"] = {
                "url": current.url,
                "version": current.version,
                "rows": current.rows,
            }
        if self.is_complete:
            value["complete"] = True
        return value


def history_of(value: Mapping[str, Any] | None) -> History:
    """Returns the history in a State's value; another shape raises ConfigError."""
    if not value:
        return History(files={})
    files, current = value.get("files"), value.get("current")
    if value.get("format") != _FORMAT or not isinstance(files, dict):
        raise ConfigError(
            "The state is not one of the file source.",
            remedy="Reset the stream's state (penstock state reset) to read all files again.",
        )
    try:
        return History(
            files=files,
            forgotten_until=value.get("forgotten_until"),
            current=Current(**current) if current else None,
            is_complete=bool(value.get("complete")),
        )
    except TypeError as error:
        raise ConfigError(
            f"The state of the file source is damaged: {error}.",
            remedy="Reset the stream's state (penstock state reset) to read all files again.",
        ) from error
