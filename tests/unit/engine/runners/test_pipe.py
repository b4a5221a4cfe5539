from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from penstock.engine.runners.pipe import BlockReader, enlarge_pipe


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)


def test_a_pipe_is_enlarged_on_linux(pipe: tuple[int, int]) -> None:
    assert enlarge_pipe(pipe[0]) >= 65536
    os.close(pipe[1])


def test_blocks_together_are_what_was_written(pipe: tuple[int, int]) -> None:
    read, write = pipe
    content = os.urandom(3_000_000).replace(b"\n", b" ")

    def feed() -> None:
        with os.fdopen(write, "wb") as file:
            file.write(content)

    threading.Thread(target=feed).start()
    reader = BlockReader(read, block_bytes=1_000_000)
    blocks = []
    while (block := reader.next_block()) is not None:
        blocks.append(bytes(block))
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) == 1_000_000
    assert reader.next_block() is None


def test_a_fast_writer_fills_blocks(pipe: tuple[int, int]) -> None:
    read, write = pipe
    enlarge_pipe(read)

    def feed() -> None:
        with os.fdopen(write, "wb", buffering=0) as file:
            for _ in range(400):
                file.write(b"x" * 10_000)

    threading.Thread(target=feed).start()
    reader = BlockReader(read, block_bytes=2_000_000, idle_seconds=1.0, longest_seconds=10.0)
    assert len(reader.next_block() or b"") == 2_000_000
    assert len(reader.next_block() or b"") == 2_000_000


def test_a_slow_writer_does_not_wake_the_reader_for_each_line() -> None:
    script = (
        "import os, time\n"
        "for number in range(400):\n"
        "    os.write(1, b'a line of its own\\n')\n"
        "    time.sleep(0.001)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        reader = BlockReader(writer.stdout.fileno(), idle_seconds=5.0, longest_seconds=60.0)
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw, time.monotonic()
        block = bytes(reader.next_block() or b"")
        seconds = time.monotonic() - started
        wakes = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    assert block == b"a line of its own\n" * 400
    assert wakes < 30 + 2.5 * seconds / 0.02


def test_a_pause_ends_a_block(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.write(write, b"early")
    assert BlockReader(read).next_block() == b"early"
    os.close(write)


def test_a_pause_that_ended_a_block_ends_the_next_when_it_is_twice_as_long(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = pipe
    reader = BlockReader(read, idle_seconds=0.05, most_idle_seconds=0.5, longest_seconds=60.0)
    waited = Waited()
    monkeypatch.setattr(reader, "_only", waited)
    for _ in range(6):
        os.write(write, b"a line\n")
        assert reader.next_block() == b"a line\n"
    os.close(write)
    assert waited.milliseconds == [50, 100, 200, 400, 500, 500]


class Waited:
    """Nothing comes; remembers how long it was waited for."""

    def __init__(self) -> None:
        self.milliseconds: list[int] = []

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        self.milliseconds.append(round(milliseconds))
        return []


def test_a_steady_trickle_cannot_hold_a_block_back(pipe: tuple[int, int]) -> None:
    read, write = pipe
    done, held_back = threading.Event(), threading.Event()

    def trickle() -> None:
        for _ in range(10_000):
            if done.wait(0.005):
                break
            os.write(write, b".")
        else:
            held_back.set()
        os.close(write)

    thread = threading.Thread(target=trickle)
    thread.start()
    block = BlockReader(read, idle_seconds=600.0, longest_seconds=0.2).next_block()
    done.set()
    thread.join()
    assert block
    assert not held_back.is_set()


def test_blocks_end_with_a_line_where_they_can(pipe: tuple[int, int]) -> None:
    read, write = pipe
    reader = BlockReader(read, block_bytes=16)
    os.write(write, b"one\ntwo\nth")
    assert bytes(reader.next_block() or b"") == b"one\ntwo\n"
    os.write(write, b"ree\nfour")
    assert bytes(reader.next_block() or b"") == b"three\n"
    assert bytes(reader.next_block(0.01) or b"") == b"four"
    assert bytes(reader.next_block(0.01) or b"") == b""
    os.write(write, b"\nlonger than the space")
    assert bytes(reader.next_block() or b"") == b"\n"
    assert bytes(reader.next_block() or b"") == b"longer than the "
    os.close(write)
    assert bytes(reader.next_block() or b"") == b"space"
    assert reader.next_block() is None


def test_a_wake_ends_the_wait_for_the_first_bytes(pipe: tuple[int, int]) -> None:
    read, write = pipe
    wake_read, wake_write = os.pipe()
    os.write(wake_write, b"w")
    assert BlockReader(read, wake=wake_read).next_block() == b""
    for descriptor in (write, wake_read, wake_write):
        os.close(descriptor)


def test_running_out_of_time_gives_an_empty_block(pipe: tuple[int, int]) -> None:
    read, write = pipe
    assert BlockReader(read).next_block(0.01) == b""
    os.close(write)
