"""Receipts: what is on its way is bounded, and a failure is known at once."""

from __future__ import annotations

import threading

import pulsar
import pytest

from penstock.destinations.pulsar.receipts import Receipts


def test_there_is_room_up_to_the_limit() -> None:
    receipts = Receipts(limit_bytes=100, patience_seconds=-29.9)
    assert receipts.await_room(60)
    told = receipts.expect(60)
    assert not receipts.await_room(60)
    told(pulsar.Result.Ok, None)
    assert receipts.await_room(60)


def test_a_message_beyond_the_limit_goes_alone() -> None:
    receipts = Receipts(limit_bytes=10, patience_seconds=1)
    assert receipts.await_room(1000)


def test_who_waits_goes_on_when_room_comes() -> None:
    receipts = Receipts(limit_bytes=100, patience_seconds=600)
    told = [receipts.expect(50), receipts.expect(50)]
    waiting = threading.Thread(target=receipts.await_room, args=(50,), daemon=True)
    waiting.start()
    told[0](pulsar.Result.Ok, None)
    waiting.join(60)
    assert not waiting.is_alive()


def test_who_waits_goes_on_when_one_fails() -> None:
    receipts = Receipts(limit_bytes=100, patience_seconds=600)
    told = [receipts.expect(5), receipts.expect(95)]
    waiting = threading.Thread(target=receipts.await_room, args=(50,), daemon=True)
    waiting.start()
    told[0](pulsar.Result.Timeout, None)
    waiting.join(60)
    assert not waiting.is_alive()
    assert receipts.failure == "Timeout"


def test_only_what_is_acknowledged_counts_and_once() -> None:
    receipts = Receipts(limit_bytes=100, patience_seconds=1)
    results = [pulsar.Result.Ok, pulsar.Result.TopicTerminated, pulsar.Result.Ok]
    told = [receipts.expect(1) for _ in results]
    for tell, result in zip(told, results, strict=True):
        tell(result, None)
    assert receipts.await_all()
    assert (receipts.take_delivered(), receipts.take_delivered()) == (2, 0)
    assert (receipts.failure, receipts.failures) == ("TopicTerminated", 1)


def test_what_is_never_told_of_is_not_waited_for_without_end() -> None:
    receipts = Receipts(limit_bytes=100, patience_seconds=-29.9)
    receipts.expect(1)
    assert not receipts.await_all()


@pytest.mark.parametrize("size", [0, 1, 10**9])
def test_an_empty_way_has_room_for_any_message(size: int) -> None:
    assert Receipts(limit_bytes=1, patience_seconds=1).await_room(size)
