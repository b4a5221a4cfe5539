"""Ctrl-C and SIGTERM: the first asks the sync to stop, the second ends the process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from penstock.errors import Cancelled


@contextmanager
def stop_on_signal(announce: Callable[[str], None]) -> Iterator[threading.Event]:
    """Yields an event that the first signal sets; puts the earlier handlers back at the end.

    At the second the process ends at once: what was committed stays, connectors end with it. It
    may come while a stopped sync is being summed up, so after a first one the handlers stay.
    """
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(Cancelled.exit_status)
        stop.set()
        if number == signal.SIGINT:
            announce("Stopping after what is being committed; press Ctrl-C again to end at once.")

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        if not stop.is_set():
            for each, handler in before.items():
                signal.signal(each, handler)
