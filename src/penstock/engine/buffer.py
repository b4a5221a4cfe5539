"""The bounded queue between the reader thread and the writer: bytes, not rows, are the limit."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from penstock.data.items import Batch, Item


@dataclass(frozen=True, slots=True)
class Ended:
    """The reader has nothing more; `error` is what ended it early, if anything did."""

    error: Exception | None = None


class ItemBuffer:
    """Hands items from one producer thread to one consumer thread, in order.

    `put` blocks while more than `limit_bytes` wait, except that one item always fits, however
    large. A closed buffer refuses items, so that a producer whose consumer left does not hang.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._items: deque[Item | Ended] = deque()
        self._waiting_bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def waiting_bytes(self) -> int:
        """Bytes put and not yet taken."""
        with self._changed:
            return self._waiting_bytes

    def put(self, item: Item | Ended) -> bool:
        """Adds an item, waiting for room; returns False when the buffer has been closed."""
        size = _size_of(item)
        with self._changed:
            while self._waiting_bytes and self._waiting_bytes + size > self._limit_bytes:
                if self._is_closed:
                    return False
                self._changed.wait()
            if self._is_closed:
                return False
            self._items.append(item)
            self._waiting_bytes += size
            self._changed.notify_all()
            return True

    def take(self, *, timeout_seconds: float) -> Item | Ended | None:
        """Removes and returns the oldest item; None when there is none within the timeout."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not self._items:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            item = self._items.popleft()
            self._waiting_bytes -= _size_of(item)
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Refuses further items and wakes a waiting producer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


def _size_of(item: Item | Ended) -> int:
    return max(item.wire_bytes, item.rows.nbytes) if isinstance(item, Batch) else 0
