"""How a sync is shown while it runs: live, in a notebook, as log lines, or not. Never on stdout."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from penstock.engine.events import Event, LogEmitted, StreamProgress, SyncFinished, SyncStarted
from penstock.errors import MissingDriver

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "ProgressStyle",
]

logger = logging.getLogger(__name__)

_PLAIN_SECONDS: Final = 5.0
_NOTEBOOK_SECONDS: Final = 1.0
_LEVELS: Final = {
    "FATAL": logging.ERROR,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
}


class ProgressStyle(StrEnum):
    """The ways to show progress."""

    AUTO = "auto"
    """Live on a terminal, markdown in a notebook, else log lines."""
    RICH = "rich"
    IPYTHON = "ipython"
    PLAIN = "plain"
    NONE = "none"


class Progress(AbstractContextManager["Progress"], Protocol):
    """Is told every event of one sync, in order."""

    def tell(self, event: Event) -> None: ...


class Quiet(AbstractContextManager["Quiet"]):
    """Shows nothing, and logs what connectors say."""

    def tell(self, event: Event) -> None:
        """Passes a connector's own lines to the logger."""
        if isinstance(event, LogEmitted):
            logger.log(_LEVELS.get(event.level, logging.DEBUG), "%s", event.message)

    def __exit__(self, *_error: object) -> None:
        return None


class Plain(Quiet):
    """Logs a line every few seconds, and one at the end of each stream."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._complete: set[str] = set()

    def tell(self, event: Event) -> None:
        """Logs what is worth a line."""
        super().tell(event)
        if isinstance(event, SyncFinished):
            receipt = event.receipt
            logger.info(
                "sync %s: %d rows in %.1f s",
                receipt.outcome, receipt.rows_committed, receipt.seconds,
            )  # fmt: skip
        if not isinstance(event, StreamProgress):
            return
        name, now = str(event.stream), self._clock()
        is_news = event.status == "complete" and name not in self._complete
        if is_news or now - self._told_at.get(name, now - _PLAIN_SECONDS) >= _PLAIN_SECONDS:
            self._told_at[name] = now
            if event.status == "complete":
                self._complete.add(name)
            logger.info(
                "%s %s: %d rows read, %d committed",
                name, event.status, event.rows_read, event.rows_committed,
            )  # fmt: skip


class Board(Quiet):
    """Keeps the newest figures of each stream."""

    def __init__(self) -> None:
        self.title = "Reading"
        self.lines: dict[str, StreamProgress] = {}

    def tell(self, event: Event) -> None:
        """Takes the newest figures."""
        super().tell(event)
        if isinstance(event, SyncStarted):
            self.title = f"{event.source} → {event.destination}"
        elif isinstance(event, StreamProgress):
            self.lines[str(event.stream)] = event


class Live(Board):
    """A table on stderr that changes in place."""

    def __init__(self, file: IO[str] | None = None) -> None:
        super().__init__()
        from rich.console import Console  # noqa: PLC0415 (75 ms, and only on a terminal)
        from rich.live import Live as RichLive  # noqa: PLC0415

        console = Console(file=file or sys.stderr)
        self._live = RichLive(
            console=console, get_renderable=self._table, refresh_per_second=4, redirect_stdout=False
        )

    def __enter__(self) -> Live:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def _table(self) -> Table:
        from rich.table import Table  # noqa: PLC0415

        table = Table(title=self.title, box=None, title_justify="left")
        for name in ("stream", "status", "read", "committed"):
            table.add_column(name, justify="left" if name in ("stream", "status") else "right")
        for name, line in self.lines.items():
            table.add_row(name, line.status, f"{line.rows_read:,}", f"{line.rows_committed:,}")
        return table


class Notebook(Board):
    """Markdown under the cell of a notebook, replaced once a second."""

    def __init__(
        self, show: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._show = show or _notebook_display()
        self._clock = clock
        self._shown_at = float("-inf")

    def tell(self, event: Event) -> None:
        """Shows the newest figures, at most once a second, and the last ones."""
        super().tell(event)
        now = self._clock()
        if isinstance(event, SyncFinished) or now - self._shown_at >= _NOTEBOOK_SECONDS:
            self._shown_at = now
            self._show(self._markdown())

    def _markdown(self) -> str:
        rows = [
            f"| {name} | {line.status} | {line.rows_read:,} | {line.rows_committed:,} |"
            for name, line in self.lines.items()
        ]
        head = ["| stream | status | read | committed |", "|---|---|---:|---:|"]
        return "\n".join([f"**{self.title}**", "", *head, *rows])


def progress_of(style: ProgressStyle | str | Progress = ProgressStyle.AUTO) -> Progress:
    """Returns the way to show one sync: by its name, or one of the caller's own as it is.

    The environment variable NO_LIVE_PROGRESS turns the live table into log lines.
    """
    if not isinstance(style, str):
        return style
    chosen = ProgressStyle(style)
    if chosen is ProgressStyle.AUTO:
        chosen = _fitting()
    match chosen:
        case ProgressStyle.RICH:
            return Live()
        case ProgressStyle.IPYTHON:
            return Notebook()
        case ProgressStyle.NONE:
            return Quiet()
        case _:
            return Plain()


def _fitting() -> ProgressStyle:
    if os.environ.get("NO_LIVE_PROGRESS") or os.environ.get("CI"):
        return ProgressStyle.PLAIN
    if "ipykernel" in sys.modules or "google.colab" in sys.modules:
        return ProgressStyle.IPYTHON
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return ProgressStyle.RICH if is_terminal else ProgressStyle.PLAIN


def _notebook_display() -> Callable[[str], None]:
    try:
        from IPython import display  # noqa: PLC0415 (only in notebooks)
    except ImportError as error:
        raise MissingDriver(
            "This is not a notebook: IPython is not installed.", remedy='Use progress="plain".'
        ) from error

    handle: Any = display.display(display.Markdown(""), display_id=True)

    def show(text: str) -> None:
        if handle is not None:
            handle.update(display.Markdown(text))

    return show
