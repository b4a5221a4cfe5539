"""A thread that looks every so often for something to do, and sooner when it is woken."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from penstock.errors import PenstockError

logger = logging.getLogger(__name__)

_JOIN_SECONDS: Final = 20.0


class Errands:
    """Calls `look` until it is stopped; `start` and `stop` are called once each.

    `look` returns what is to be done, each a function that runs on one of `at_once` threads and
    raises nothing of its own; it returns no more than there is room for.
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
        self._busy = 0
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=f"penstock-{name}")
        self._loop = threading.Thread(target=self._run, name=f"penstock-{name}", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._loop.start()

    def wake(self) -> None:
        """Lets it look at once."""
        self._wake.set()

    def stop(self) -> None:
        """Looks no more, and waits for what is being done."""
        self._stop.set()
        self._wake.set()
        if self._loop.is_alive():
            self._loop.join(_JOIN_SECONDS)
        self._pool.shutdown(wait=True, cancel_futures=True)

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
            room = self._at_once - self._busy
        if room <= 0:
            return
        for errand in self._look(room):
            with self._turn:
                self._busy += 1
            self._pool.submit(self._do, errand)

    def _do(self, errand: Callable[[], None]) -> None:
        try:
            errand()
        except PenstockError as error:
            logger.warning("errand failed", extra={"errand": self._name, "why": str(error)})
        except Exception:
            logger.exception("errand failed", extra={"errand": self._name})
        finally:
            with self._turn:
                self._busy -= 1
            self._wake.set()
