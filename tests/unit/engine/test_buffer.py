"""The queue between reader and writer."""

from __future__ import annotations

import threading

import pyarrow as pa

from penstock.data.items import Batch, LogLine
from penstock.engine.buffer import Ended, ItemBuffer
from penstock.protocol.catalog import StreamDescriptor


def _batch(size: int) -> Batch:
    return Batch(
        stream=StreamDescriptor("a"),
        rows=pa.record_batch({"x": pa.array([1])}),
        wire_bytes=size,
    )


def test_items_come_out_in_the_order_they_went_in() -> None:
    buffer = ItemBuffer(1000)
    items = [LogLine(level="INFO", message=str(n)) for n in range(5)]
    for item in items:
        buffer.put(item)
    assert [buffer.take(timeout_seconds=0) for _ in items] == items


def test_an_empty_buffer_gives_none_after_the_timeout() -> None:
    assert ItemBuffer(10).take(timeout_seconds=0.01) is None


def test_one_item_larger_than_the_limit_still_fits() -> None:
    buffer = ItemBuffer(10)
    assert buffer.put(_batch(1000))


def test_a_full_buffer_holds_the_producer_until_something_is_taken() -> None:
    buffer = ItemBuffer(100)
    buffer.put(_batch(80))
    done = threading.Event()

    def produce() -> None:
        buffer.put(_batch(80))
        done.set()

    producer = threading.Thread(target=produce)
    producer.start()
    assert not done.wait(0.05)
    buffer.take(timeout_seconds=1)
    assert done.wait(60)
    producer.join()


def test_closing_frees_a_waiting_producer_and_refuses_its_item() -> None:
    buffer = ItemBuffer(100)
    buffer.put(_batch(100))
    answers: list[bool] = []
    producer = threading.Thread(target=lambda: answers.append(buffer.put(_batch(100))))
    producer.start()
    buffer.close()
    producer.join(60)
    assert answers == [False]


def test_the_end_of_the_reader_fits_into_a_full_buffer() -> None:
    buffer = ItemBuffer(100)
    buffer.put(_batch(100))
    assert buffer.put(Ended())
