"""What has changed since the last sync: windows with a frozen end, look-back, and the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

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
    """A part of what a cursor goes through, from `since` to `until`."""

    params: Mapping[str, Any]
    since: Any = None
    until: Any = None


class Cursor(Protocol):
    """How a stream is read by what changed: a value without state."""

    @property
    def path(self) -> Path:
        """The property's names, from the outermost in."""
        ...

    @property
    def is_sorted(self) -> bool:
        """Whether records come in the property's order; then each page is a checkpoint."""
        ...

    def windows(self, state: Mapping[str, Any] | None, now: datetime) -> Iterator[Window]:
        """Yields what there is to read, oldest first; nothing where the state is not yet past."""
        ...

    def mark(self, window: Window) -> Mapping[str, Any]:
        """Returns a window as JSON."""
        ...

    def windows_from(self, mark: Mapping[str, Any], now: datetime) -> Iterator[Window]:
        """Yields the window of a mark, then what there is after it."""
        ...

    def position(self, state: Mapping[str, Any] | None) -> Any:
        """Returns the value a state holds. Raises ConfigError for one that is not ours."""
        ...

    def newest(self, values: Sequence[Any], known: Any) -> Any:
        """Returns the greatest of some records' values and the one known."""
        ...

    def after(
        self, window: Window, newest: Any, begun: Any, *, is_whole: bool
    ) -> dict[str, Any] | None:
        """Returns the state when a window was read, to its end or (`is_whole` False) so far.

        It never falls behind the one begun from. None where nothing is known yet.
        """
        ...


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
    until_includes: timedelta = timedelta(0)
    """How much more than `until` the API gives: a day, where both are dates and count whole."""
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
        yield from self._cut(since, end)

    def mark(self, window: Window) -> Mapping[str, Any]:
        """Returns a window as JSON."""
        since = None if window.since is None else iso(window.since)
        return {"since": since, "until": iso(window.until)}

    def windows_from(self, mark: Mapping[str, Any], now: datetime) -> Iterator[Window]:
        """Yields the window of a mark, then (where the API takes an end) what there is after it."""
        try:
            since = None if mark["since"] is None else instant(mark["since"])
            until = instant(mark["until"])
        except (KeyError, ValueError) as error:
            raise _not_ours({"window": mark}) from error
        end = now.astimezone(UTC) - self.settle
        yield self._window(since, until, is_last=until >= end)
        if self.until is not None and until < end:
            yield from self._cut(until, end)

    def _cut(self, since: datetime | None, end: datetime) -> Iterator[Window]:
        while True:
            until = end
            if since is not None and self.step is not None:
                until = min(end, since + self.step)
            yield self._window(since, until, is_last=until >= end)
            if until >= end:
                return
            since = until

    def _window(self, since: datetime | None, until: datetime, *, is_last: bool) -> Window:
        params = {} if since is None else {self.since: self.write(since)}
        if self.until is not None:
            # The last one may well give more: there is no window behind it to give it again.
            params[self.until] = self.write(until if is_last else until - self.until_includes)
        return Window(since=since, until=until, params=params)

    def position(self, state: Mapping[str, Any] | None) -> datetime | None:
        """Returns the instant a state holds. Raises ConfigError for one that is not ours."""
        if state is None:
            return None
        try:
            return instant(state.get(_STATE))
        except ValueError as error:
            raise _not_ours(state) from error

    def newest(self, values: Sequence[Any], known: datetime | None) -> datetime | None:
        """Returns the latest of some records' instants and the one known."""
        for value in self._latest_of(values):
            try:
                moment = self.read(value)
            except (ValueError, TypeError, OverflowError) as error:
                raise DataError(
                    f"The {'.'.join(self.path)} of a record is no instant: {value!r}.",
                    remedy="Report it to the connector's author.",
                ) from error
            known = moment if known is None or moment > known else known
        return known

    def _latest_of(self, values: Sequence[Any]) -> Sequence[Any]:
        """Returns values of which one is the latest; texts of one form sort as their instants."""
        known = [value for value in values if value is not None]
        if self.read is instant and all(type(value) is str for value in known):
            forms = {(len(value), value[-1:]) for value in known}
            if len(forms) == 1 and forms.pop()[1] == "Z":
                return [max(known)]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalNumber:
    """Reads a stream by an integer that grows with every change: a version, a sequence, an id.

    There is no end to freeze: the state is the greatest number seen. Ids show what was added,
    not what was changed.
    """

    field: str | Path
    """The property with the number: a name, or the names from the outermost in."""
    since: str
    """The parameter for the beginning; a record at it may come again."""
    start: int | None = None
    """Where a stream without a state begins; None leaves the parameter out."""
    lookback: int = 0
    """How far behind numbers become visible that were drawn earlier."""
    is_sorted: bool = False
    """Whether records come in the order of `field`; then each page is a checkpoint."""
    write: Callable[[int], Any] = int
    """A number as the parameter wants it."""

    @property
    def path(self) -> Path:
        """The property's names, from the outermost in."""
        return (self.field,) if isinstance(self.field, str) else self.field

    def windows(self, state: Mapping[str, Any] | None, now: datetime) -> Iterator[Window]:
        """Yields the one window, without an end."""
        del now
        begun = self.position(state)
        since = self.start if begun is None else begun - self.lookback
        yield Window(params={} if since is None else {self.since: self.write(since)}, since=since)

    def mark(self, window: Window) -> Mapping[str, Any]:
        """Returns the window as JSON."""
        return {"since": window.since}

    def windows_from(self, mark: Mapping[str, Any], now: datetime) -> Iterator[Window]:
        """Yields the one window."""
        del mark
        yield from self.windows(None, now)

    def position(self, state: Mapping[str, Any] | None) -> int | None:
        """Returns the number a state holds. Raises ConfigError for one that is not ours."""
        if state is None:
            return None
        found = state.get(_STATE)
        if isinstance(found, bool) or not isinstance(found, int):
            raise _not_ours(state)
        return found

    def newest(self, values: Sequence[Any], known: int | None) -> int | None:
        """Returns the greatest of some records' numbers and the one known."""
        for value in values:
            if value is None:
                continue
            try:
                # Some APIs write integers beyond 2^53 as text.
                number = int(value) if isinstance(value, str) else value
            except ValueError:
                number = None
            if isinstance(number, bool) or not isinstance(number, int):
                raise DataError(
                    f"The {'.'.join(self.path)} of a record is no integer: {value!r}.",
                    remedy="Report it to the connector's author.",
                )
            known = number if known is None or number > known else known
        return known

    def after(
        self, window: Window, newest: int | None, begun: int | None, *, is_whole: bool
    ) -> dict[str, Any] | None:
        """Returns the state: the greatest number so far, never less than the one begun from."""
        del window, is_whole
        known = [number for number in (newest, begun) if number is not None]
        return {_STATE: max(known)} if known else None


def _not_ours(state: Mapping[str, Any]) -> ConfigError:
    return ConfigError(
        f"The state {dict(state)!r} is not one of this stream.",
        remedy="Reset the stream's state, and the next sync begins anew.",
    )
