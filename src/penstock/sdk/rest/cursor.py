"""What has changed since the last sync: windows with a frozen end, look-back, and the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from penstock.errors import ConfigError, DataError
from penstock.sdk.rest.body import Path

_STATE: Final = "cursor"


def iso(moment: datetime) -> str:
    """Returns an instant as 2024-05-01T10:00:00.000000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(value: Any) -> datetime:
    """Returns the instant a record's value means: ISO 8601 text, UTC where it names no zone.

    Raises ValueError for anything else.
    """
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} is no instant")  # noqa: TRY004 (one kind here)
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a stream's time, from `since` to `until`."""

    since: datetime | None
    until: datetime
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incremental:
    """Reads a stream by the instant at which its records last changed.

    The end of a sync is frozen when it begins, `settle` before now: what changes while it reads
    belongs to the next. The state never passes that end, nor (where the API takes no `until`)
    the newest record seen; the next sync begins `lookback` before the state.
    """

    field: str | Path
    """The property with the instant: a name, or the names from the outermost in."""
    since: str
    """The parameter for the beginning; records at it may come again."""
    until: str | None = None
    """The parameter for the end, where the API takes one."""
    start: datetime | None = None
    """Where a stream without a state begins; None leaves the parameter out."""
    lookback: timedelta = timedelta(0)
    """How far behind records become visible, or clocks disagree."""
    settle: timedelta = timedelta(0)
    step: timedelta | None = None
    """Cuts the time into windows, each a checkpoint; needs `until` and `start`."""
    is_sorted: bool = False
    """Whether records come in the order of `field`; then each page is a checkpoint."""
    write: Callable[[datetime], Any] = iso
    """An instant as the parameters want it."""
    read: Callable[[Any], datetime] = instant
    """The instant in a record's value; raises ValueError."""

    def __post_init__(self) -> None:
        if self.step is not None and (self.until is None or self.start is None):
            raise ValueError("step needs until and start")

    @property
    def path(self) -> Path:
        """The property's names, from the outermost in."""
        return (self.field,) if isinstance(self.field, str) else self.field

    def windows(self, state: Mapping[str, Any] | None, now: datetime) -> Iterator[Window]:
        """Yields what there is to read, oldest first; nothing where the state is not yet past."""
        begun = self.position(state)
        since = self.start if begun is None else begun - self.lookback
        end = now.astimezone(UTC) - self.settle
        if (begun or since or end) > end:
            return
        while True:
            until = end
            if since is not None and self.step is not None:
                until = min(end, since + self.step)
            params = {} if since is None else {self.since: self.write(since)}
            if self.until is not None:
                params[self.until] = self.write(until)
            yield Window(since=since, until=until, params=params)
            if until >= end:
                return
            since = until

    def position(self, state: Mapping[str, Any] | None) -> datetime | None:
        """Returns the instant a state holds. Raises ConfigError for one that is not ours."""
        if state is None:
            return None
        try:
            return instant(state.get(_STATE))
        except ValueError as error:
            raise ConfigError(
                f"The state {dict(state)!r} holds no instant under {_STATE!r}.",
                remedy="Reset the stream's state, and the next sync begins anew.",
            ) from error

    def newest(self, values: Iterable[Any], known: datetime | None) -> datetime | None:
        """Returns the latest of some records' instants and the one known."""
        for value in values:
            if value is None:
                continue
            try:
                moment = self.read(value)
            except (ValueError, TypeError, OverflowError) as error:
                raise DataError(
                    f"The {'.'.join(self.path)} of a record is no instant: {value!r}.",
                    remedy="Report it to the connector's author.",
                ) from error
            known = moment if known is None or moment > known else known
        return known

    def after(
        self, window: Window, newest: datetime | None, begun: datetime | None, *, is_whole: bool
    ) -> dict[str, Any] | None:
        """Returns the state when a window was read, to its end or (`is_whole` False) so far.

        It never falls behind the one begun from. None where nothing is known yet.
        """
        reached = window.until if is_whole and self.until is not None else newest
        if reached is None:
            return None if begun is None else {_STATE: iso(begun)}
        reached = min(reached, window.until)
        return {_STATE: iso(reached if begun is None else max(reached, begun))}
