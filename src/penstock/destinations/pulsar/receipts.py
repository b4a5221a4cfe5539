"""What brokers have acknowledged: counted in the client's own threads, waited for in ours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pulsar

_GRACE_SECONDS: Final = 30.0
"""Beyond the patience for a message, within which the client tells what became of each."""


class Receipts:
    """One writer's messages: how many are on their way, and what became of the others.

    An exception in one of the client's threads would end the process: `_told` only counts.
    """

    def __init__(self, *, limit_bytes: int, patience_seconds: float) -> None:
        import pulsar  # noqa: PLC0415 (an optional driver)

        self._ok = pulsar.Result.Ok
        self._limit = limit_bytes
        self._patience = patience_seconds + _GRACE_SECONDS
        self._changed = threading.Condition()
        self._pending = 0
        self._pending_bytes = 0
        self._delivered = 0
        self._failed: pulsar.Result | None = None
        self._failures = 0

    def await_room(self, size: int) -> bool:
        """Waits until a message of this size may go; False when the client tells nothing more."""
        with self._changed:
            if self._has_room(size):
                return True
        return self._wait(lambda: self._failed is not None or self._is_eased())

    def await_all(self) -> bool:
        """Waits until it is known what became of each; False when it stays unknown."""
        return self._wait(lambda: self._pending == 0)

    def expect(self, size: int) -> Callable[[pulsar.Result, Any], None]:
        """Counts a message as on its way and returns what the client is to call about it."""
        with self._changed:
            self._pending += 1
            self._pending_bytes += size
        return partial(self._told, size)

    def take_delivered(self) -> int:
        """Returns how many were acknowledged since the last call."""
        with self._changed:
            delivered, self._delivered = self._delivered, 0
            return delivered

    @property
    def failure(self) -> str | None:
        """The client's name of why the first message failed; None while none has."""
        return None if self._failed is None else str(self._failed.name)

    @property
    def failures(self) -> int:
        """How many have failed."""
        return self._failures

    def _told(self, size: int, result: pulsar.Result, _: Any) -> None:
        with self._changed:
            self._pending -= 1
            self._pending_bytes -= size
            if result == self._ok:
                self._delivered += 1
            else:
                self._failures += 1
                if self._failed is None:
                    self._failed = result
            # Not at each message: a waiting thread would be woken thousands of times a second.
            if self._is_eased() or self._failed is not None:
                self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return self._pending_bytes + size <= self._limit

    def _is_eased(self) -> bool:
        return self._pending == 0 or self._pending_bytes <= self._limit // 2

    def _wait(self, is_so: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(is_so, self._patience)
