"""One pace for all requests of one account, however many threads and streams make them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Lets `burst` requests through at once, then `per_second`; share one per account.

    The pace is the generic cell rate algorithm (ITU-T I.371): one number, the moment at which
    everything let through so far would have gone out evenly.
    """

    def __init__(
        self,
        *,
        per_second: float,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._tolerance = (burst - 1) * self._interval
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._even_at = clock()
        self._closed_until = self._even_at

    def wait(self, *, cost: int = 1) -> float:
        """Returns when a request of this cost may go, and how many seconds that took."""
        begun = self._clock()
        with self._lock:
            even_at = max(self._even_at, begun)
            self._even_at = even_at + cost * self._interval
            go_at = even_at - self._tolerance
        while True:
            with self._lock:
                rest = max(go_at, self._closed_until) - self._clock()
            if rest <= 0:
                return self._clock() - begun
            self._sleep(rest)

    def pause(self, seconds: float) -> None:
        """Lets nothing through for some seconds: the other side said it has had enough."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)
