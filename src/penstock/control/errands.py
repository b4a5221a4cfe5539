"""A thread that looks every so often for something to do, and sooner when it is woken."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from penstock.errors import PenstockError

logger = logging.getLogger(__name__)

_JOIN_SECONDS: Final = 20.0


class Errands:
    """Calls `look` until it is stopped; `start` and `stop` are called once each.

    `look` gets how much there is room for, and returns what is to be done: functions that run on
    threads of their own, `at_once` of them together.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[int], list[Callable[[], None]]],
        *,
        at_once: int,
        every_seconds: float = 1.0,
    ) -> None:
        self._name = name
        self._look = look
        self._at_once = at_once
        self._every_seconds = every_seconds
        self._busy: set[threading.Thread] = set()
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._loop = threading.Thread(target=self._run, name=f"penstock-{name}", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._loop.start()

    def wake(self) -> None:
        """Lets it look at once."""
        self._wake.set()

    def stop(self, *, timeout_seconds: float = _JOIN_SECONDS) -> None:
        """Looks no more, and waits for what is being done, but not for ever."""
        self._stop.set()
        self._wake.set()
        deadline = time.monotonic() + timeout_seconds
        if self._loop.is_alive():
            self._loop.join(timeout_seconds)
        with self._turn:
            busy = tuple(self._busy)
        for thread in busy:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._begin_all()
            except PenstockError as error:
                logger.warning("looking failed", extra={"errand": self._name, "why": str(error)})
            except Exception:
                logger.exception("looking failed", extra={"errand": self._name})
            self._wake.wait(self._every_seconds)
            self._wake.clear()

    def _begin_all(self) -> None:
        with self._turn:
            room = self._at_once - len(self._busy)
        if room <= 0:
            return
        for errand in self._look(room):
            thread = threading.Thread(
                target=self._do, args=(errand,), name=f"penstock-{self._name}-one", daemon=True
            )
            with self._turn:
                self._busy.add(thread)
            thread.start()

    def _do(self, errand: Callable[[], None]) -> None:
        try:
            errand()
        except PenstockError as error:
            logger.warning("errand failed", extra={"errand": self._name, "why": str(error)})
        except Exception:
            logger.exception("errand failed", extra={"errand": self._name})
        finally:
            with self._turn:
                self._busy.discard(threading.current_thread())
            self._wake.set()
