"""A running sync as people or programs follow it: a live table, plain lines, or JSON lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from penstock.cli import figures
from penstock.cli.screen import Screen
from penstock.engine.events import (
    CheckpointCommitted,
    ConfigChanged,
    Event,
    LogEmitted,
    Receipt,
    StreamProgress,
    SyncFinished,
    SyncStarted,
    encode_event,
)
from penstock.errors import BugError
from penstock.protocol.catalog import StreamDescriptor

if TYPE_CHECKING:
    from rich.table import Table

Clock = Callable[[], float]

_PLAIN_SECONDS = 5.0
"""Between two lines about the same stream where nothing was committed."""
_SHOWN_LEVELS = frozenset({"WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"})
_MARKS = {"waiting": "·", "running": "▸", "complete": "✓", "incomplete": "✗", "failed": "✗"}


class Follower(Protocol):
    """Is told every event, on one thread, in order."""

    def tell(self, event: Event) -> None: ...


def follow(events: Iterable[Event], follower: Follower) -> Receipt:
    """Tells the follower every event and returns the receipt, which the last one holds."""
    receipt: Receipt | None = None
    for event in events:
        follower.tell(event)
        if isinstance(event, SyncFinished):
            receipt = event.receipt
    if receipt is None:
        raise BugError(
            "The sync ended without a receipt.", remedy="Report it with the output of --debug."
        )
    return receipt


@dataclass(slots=True)
class _Line:
    """One stream's newest figures, and since when they move."""

    newest: StreamProgress
    since: float
    until: float | None = None


@dataclass(slots=True)
class Board:
    """What is known of each stream right now."""

    clock: Clock = time.monotonic
    lines: dict[StreamDescriptor, _Line] = field(default_factory=dict)
    started: float = 0.0

    def start(self, streams: Iterable[StreamDescriptor]) -> None:
        """Lists the streams before the first of them moves."""
        self.started = self.clock()
        for stream in streams:
            waiting = StreamProgress(
                stream=stream,
                rows_read=0,
                rows_sent=0,
                rows_committed=0,
                bytes_read=0,
                status="waiting",
            )
            self.lines[stream] = _Line(waiting, self.started)

    def update(self, progress: StreamProgress) -> None:
        """Takes a stream's newest figures."""
        now = self.clock()
        line = self.lines.get(progress.stream)
        if line is None:
            line = self.lines[progress.stream] = _Line(progress, now)
        if line.newest.status == "waiting":
            line.since = now
        line.newest = progress
        is_over = progress.status in ("complete", "incomplete", "failed")
        line.until = (line.until or now) if is_over else None

    def seconds(self, stream: StreamDescriptor) -> float:
        """Returns how long a stream has been moving, or did."""
        line = self.lines[stream]
        if line.newest.status == "waiting":
            return 0.0
        return (self.clock() if line.until is None else line.until) - line.since


def make_follower(screen: Screen, *, is_json: bool, is_verbose: bool = False) -> Follower:
    """Returns the way to follow a sync that fits where the output goes."""
    if is_json:
        return JsonLines(screen.out_file)
    if screen.is_quiet:
        return Silent()
    levels = None if is_verbose else _SHOWN_LEVELS
    if screen.is_live:
        return LiveTable(screen.err_file, levels=levels)
    return PlainLines(screen.err_file, levels=levels)


class Silent:
    """Says nothing: the caller tells how it ended."""

    def tell(self, event: Event) -> None:
        """Takes the event and keeps still."""


class JsonLines:
    """Every event as one JSON line, written at once.

    With `keeps_secrets` a configuration the source wants kept is in it; else only that it came.
    """

    def __init__(self, out: IO[str], *, keeps_secrets: bool = False) -> None:
        self._out = out
        self._keeps_secrets = keeps_secrets

    def tell(self, event: Event) -> None:
        if isinstance(event, ConfigChanged) and not self._keeps_secrets:
            event = msgspec.structs.replace(event, config={})
        self._out.write(encode_event(event).decode() + "\n")
        self._out.flush()


class PlainLines:
    """One line a commit and stream, and one every few seconds while nothing is committed."""

    def __init__(
        self,
        out: IO[str],
        *,
        levels: frozenset[str] | None = _SHOWN_LEVELS,
        clock: Clock = time.monotonic,
    ) -> None:
        self._out = out
        self._levels = levels
        self._clock = clock
        self._board = Board(clock)
        self._told: dict[StreamDescriptor, float] = {}

    def tell(self, event: Event) -> None:
        match event:
            case SyncStarted():
                self._board.start(event.streams)
                self._say(_started_line(event))
            case StreamProgress():
                self._progress(event)
            case CheckpointCommitted(stream=stream) if event.rows or stream is None:
                what = str(stream) if stream else "all streams"
                self._say(
                    f"{what}: {figures.count_of(event.rows, 'row')} committed "
                    f"({figures.size(event.bytes)} in {figures.duration(event.seconds)})"
                )
                if stream is not None:
                    self._told[stream] = self._clock()
            case LogEmitted():
                if self._levels is None or event.level.upper() in self._levels:
                    self._say(f"{event.origin} {event.level.lower()}: {event.message}")
            case _:
                pass

    def _progress(self, event: StreamProgress) -> None:
        known = self._board.lines.get(event.stream)
        was = known.newest.status if known else "waiting"
        self._board.update(event)
        now = self._clock()
        is_news = event.status not in (was, "running")
        is_due = now - self._told.setdefault(event.stream, now) >= _PLAIN_SECONDS
        if not (is_news or is_due):
            return
        self._told[event.stream] = now
        pace = figures.rate(event.rows_read, self._board.seconds(event.stream))
        parts = [
            f"{figures.rows(event.rows_read)} read",
            f"{figures.rows(event.rows_committed)} committed",
            *([pace] if pace else []),
            figures.size(event.bytes_read),
        ]
        self._say(f"{event.stream}: {event.status}, {', '.join(parts)}")

    def _say(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class LiveTable:
    """One table that is redrawn in place; what is worth keeping scrolls above it."""

    def __init__(
        self,
        out: IO[str],
        *,
        levels: frozenset[str] | None = _SHOWN_LEVELS,
        clock: Clock = time.monotonic,
    ) -> None:
        from rich.console import Console  # noqa: PLC0415 (75 ms: only where a table is drawn)
        from rich.live import Live  # noqa: PLC0415

        self._board = Board(clock)
        self._levels = levels
        self._caption: str | None = None
        self._console = Console(file=out, markup=False, highlight=False, emoji=False)
        self._live = Live(
            console=self._console,
            get_renderable=self.table,
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def tell(self, event: Event) -> None:
        match event:
            case SyncStarted():
                self._board.start(event.streams)
                self._console.print(_started_line(event), soft_wrap=True)
                self._live.start()
            case StreamProgress():
                self._board.update(event)
            case LogEmitted() if self._levels is None or event.level.upper() in self._levels:
                self._console.print(
                    f"{event.origin} {event.level.lower()}: {event.message}", soft_wrap=True
                )
            case SyncFinished():
                self._live.stop()
            case _:
                pass

    def announce(self, text: str) -> None:
        """Writes a line below the table; may be called by a signal handler."""
        self._caption = text

    def close(self) -> None:
        """Gives the terminal back; called however the sync ends."""
        self._live.stop()

    def table(self) -> Table:
        """Returns the table as it stands now."""
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        lines = dict(self._board.lines)
        has_estimate = any(line.newest.estimated_rows for line in lines.values())
        table = Table(box=None, pad_edge=False, header_style="dim", caption=self._caption)
        table.add_column("")
        table.add_column("stream", overflow="fold")
        for name in ("read", "committed", "rows/s", "bytes", "elapsed"):
            table.add_column(name, justify="right", no_wrap=True)
        if has_estimate:
            table.add_column("", width=20)
        for stream, line in lines.items():
            newest, seconds = line.newest, self._board.seconds(stream)
            cells = [
                _MARKS.get(newest.status, newest.status),
                str(stream),
                figures.rows(newest.rows_read),
                figures.rows(newest.rows_committed),
                figures.rate(newest.rows_read, seconds).removesuffix("/s"),
                figures.size(newest.bytes_read),
                figures.duration(seconds) if seconds else "",
            ]
            bars: list[ProgressBar | str] = []
            if has_estimate:
                total = newest.estimated_rows
                bars = [ProgressBar(total=total, completed=newest.rows_read)] if total else [""]
            table.add_row(*cells, *bars)
        return table


def _started_line(event: SyncStarted) -> str:
    streams = figures.count_of(len(event.streams), "stream")
    going_on = f", {len(event.continuing)} continuing" if event.continuing else ""
    where = f"{figures.short(event.source)} → {event.destination}"
    return f"{where}: {streams}{going_on} ({event.connection})"


def announcer(follower: Follower, screen: Screen) -> Callable[[str], None]:
    """Returns the way to tell a person something while the sync runs."""
    return follower.announce if isinstance(follower, LiveTable) else screen.note


def giving_back(follower: Follower) -> AbstractContextManager[object]:
    """Returns a context that gives the terminal back at its end, where the follower took it."""
    return closing(follower) if isinstance(follower, LiveTable) else nullcontext()
