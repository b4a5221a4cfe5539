"""Iterators that are read at once give everything, fail once, and leave no thread behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from penstock.sdk.side_by_side import side_by_side


def nothing_to_interrupt() -> None:
    return


def counted(start: int, count: int) -> Iterator[int]:
    yield from range(start, start + count)


def test_everything_comes_once() -> None:
    makers: list[Callable[[], Iterator[int]]] = [
        partial(counted, start, 1000) for start in (0, 1000, 2000)
    ]
    found = list(side_by_side(makers, interrupt=nothing_to_interrupt))
    assert sorted(found) == list(range(3000))


def test_they_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def meets() -> Iterator[int]:
        yield meeting.wait()

    found = side_by_side([meets, meets], interrupt=nothing_to_interrupt)
    assert sorted(found) == [0, 1]


def test_the_first_error_is_raised_and_the_others_end() -> None:
    before = threading.active_count()
    is_interrupted = threading.Event()

    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    def waits() -> Iterator[int]:
        yield 2
        assert is_interrupted.wait(60)

    with pytest.raises(ValueError, match="no more"):
        list(side_by_side([fails, waits], interrupt=is_interrupted.set))
    assert is_interrupted.is_set()
    assert threading.active_count() == before


def test_closing_early_closes_every_iterator_on_its_own_thread() -> None:
    before = threading.active_count()
    closed: list[str] = []

    def endless(name: str) -> Iterator[int]:
        me = threading.get_ident()
        try:
            while True:
                yield 1
        finally:
            closed.append(name)
            assert threading.get_ident() == me

    found = side_by_side(
        [partial(endless, "a"), partial(endless, "b")], interrupt=nothing_to_interrupt
    )
    assert [next(found) for _ in range(20)] == [1] * 20
    found.close()  # type: ignore[attr-defined]
    assert sorted(closed) == ["a", "b"]
    assert threading.active_count() == before
