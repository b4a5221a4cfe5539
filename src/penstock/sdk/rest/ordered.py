"""Several readings side by side, their items in order: as if one had been read after the other."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar, cast

T = TypeVar("T")
W = TypeVar("W")

_AHEAD: Final = 4
"""Items each reading may be ahead of the reader; bounds memory."""
_LOOK_SECONDS: Final = 0.05


def in_order(
    work: Iterable[W], read: Callable[[W], Iterator[T]], *, threads: int
) -> Generator[T, None, None]:
    """Yields the items of `read` for each piece of work, in order, `threads` read at a time.

    The first error ends it, in its place: all items before it have been yielded. When closed
    early, the readings end at their next item.
    """
    if threads <= 1:
        for piece in work:
            yield from read(piece)
        return
    pieces = iter(work)
    stopped = threading.Event()
    running: deque[_Reading[T]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="rest")
    try:
        while True:
            while len(running) < threads:
                try:
                    piece = next(pieces)
                except StopIteration:
                    break
                reading: _Reading[T] = _Reading(stopped)
                pool.submit(reading.run, read, piece)
                running.append(reading)
            if not running:
                return
            yield from running.popleft().items()
    finally:
        stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Reading(Generic[T]):
    """One reading on a thread of its own, some items ahead of who takes them."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._queue: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(_AHEAD)

    def run(self, read: Callable[[W], Iterator[T]], piece: W) -> None:
        """Puts the items in the queue, then its end or its error."""
        try:
            for item in read(piece):
                if not self._put(("item", item)):
                    return
        except BaseException as error:  # noqa: BLE001 (raised again where the items are taken)
            self._put(("error", error))
        else:
            self._put(("end", None))

    def items(self) -> Iterator[T]:
        """Yields the items; raises the reading's error after them."""
        while True:
            kind, value = self._queue.get()
            if kind == "end":
                return
            if isinstance(value, BaseException) and kind == "error":
                raise value
            yield cast("T", value)

    def _put(self, entry: tuple[str, T | BaseException | None]) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(entry, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
