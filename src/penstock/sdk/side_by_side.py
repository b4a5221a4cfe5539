"""Several iterators read at once, each on a thread of its own, as one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_AHEAD: Final = 2
"""Items an iterator may have ready before somebody takes one."""
_LOOKS_UP_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def side_by_side(
    makers: Sequence[Callable[[], Iterator[T]]], *, interrupt: Callable[[], None]
) -> Iterator[T]:
    """Yields what all iterators yield, in no order between them; the first error is raised here.

    Each iterator is made, read and closed on its own thread. When this one ends early, by an error
    or because nobody wants more, `interrupt` is called to end what the threads wait for. No thread
    is left when it has ended.
    """
    found: queue.Queue[_Item[T] | _End] = queue.Queue(_AHEAD * len(makers))
    is_over = threading.Event()
    threads = [
        threading.Thread(target=_read, args=(make, found, is_over), daemon=True) for make in makers
    ]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            match found.get():
                case _Item(value):
                    yield value
                case _End(error):
                    if error is not None:
                        raise error
                    running -= 1
    finally:
        is_over.set()
        if running:
            interrupt()
        for thread in threads:
            thread.join()


def _read(
    make: Callable[[], Iterator[T]], found: queue.Queue[Any], is_over: threading.Event
) -> None:
    error: BaseException | None = None
    try:
        items: Any = make()
        with closing(items):
            for item in items:
                if not _put(found, _Item(item), is_over):
                    return
    except BaseException as caught:  # noqa: BLE001 (raised again on the thread that reads)
        error = caught
    _put(found, _End(error), is_over)


def _put(found: queue.Queue[Any], item: object, is_over: threading.Event) -> bool:
    """Hands an item on; False when nobody wants it any more."""
    while not is_over.is_set():
        try:
            found.put(item, timeout=_LOOKS_UP_SECONDS)
        except queue.Full:
            continue
        return True
    return False
