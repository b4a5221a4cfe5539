"""A connector's standard output in large blocks when it is fast, at once when it is slow."""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Callable, Iterator

PIPE_BYTES = 1 << 20
"""The most an unprivileged process may ask for on Linux (/proc/sys/fs/pipe-max-size)."""
BLOCK_BYTES = 8 << 20
IDLE_SECONDS = 0.05
LONGEST_SECONDS = 1.0
LOOK_SECONDS = 1.0
"""How often a silent connector is looked at, to notice that it vanished."""
_NAP_SECONDS = (0.005, 0.02)
"""Shortest nap worth taking while a slow program writes on, and the longest."""
_SMALLEST_PIPE_BYTES = 4096
"""What a pipe holds at least (POSIX _PIPE_BUF on Linux): taken where its size cannot be asked."""


def enlarge_pipe(descriptor: int, size: int = PIPE_BYTES) -> int:
    """Asks for a larger pipe buffer; returns what it is now, 0 where that cannot be asked."""
    ask = getattr(fcntl, "F_SETPIPE_SZ", None)
    if ask is None:
        return 0
    try:
        return fcntl.fcntl(descriptor, ask, size)
    except OSError:  # the user's quota of pipe pages is used up (pipe(7)): slower, not wrong
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def _pipe_bytes(descriptor: int) -> int:
    """Returns how much the pipe holds."""
    command = getattr(fcntl, "F_GETPIPE_SZ", None)
    if command is None:
        return _SMALLEST_PIPE_BYTES
    try:
        return fcntl.fcntl(descriptor, command)
    except OSError:  # a socket or a terminal, which has no such size
        return _SMALLEST_PIPE_BYTES


class BlockReader:
    """Reads a pipe in blocks: full ones, or what came before a pause or the longest wait.

    After the first bytes of a block it goes on until the block is full, nothing came for
    `idle_seconds`, or `longest_seconds` have passed. A pause that ended a block ends the next only
    when it lasts twice as long, up to `most_idle_seconds`: the first words come at once, and a
    slow program's many pauses do not each cost a block. Blocks end with a line where they can, so
    that nobody has to put lines together. All share one space, which is not cleared and copied
    for each: a block is gone when the next is asked for.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        wake: int | None = None,
        block_bytes: int = BLOCK_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        most_idle_seconds: float = IDLE_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._descriptor = descriptor
        self._wake = wake
        self._space = bytearray(block_bytes)
        self._kept = 0
        """Bytes of an unfinished line, at the start of the space."""
        self._given = 0
        """Bytes before it, which are the last block's."""
        self._idle_ms = idle_seconds * 1000
        self._most_idle_ms = max(self._idle_ms, most_idle_seconds * 1000)
        self._longest_seconds = longest_seconds
        self._any = select.poll()
        self._any.register(descriptor, select.POLLIN)
        if wake is not None:
            self._any.register(wake, select.POLLIN)
        self._only = select.poll()
        self._only.register(descriptor, select.POLLIN)
        os.set_blocking(descriptor, False)
        self._is_at_end = False
        self._pipe_bytes = _pipe_bytes(descriptor)

    def next_block(self, timeout_seconds: float | None = None) -> memoryview | None:
        """Returns the next bytes; empty when woken or out of time; None at the end.

        Valid until the next call. Being woken (a byte in the wake pipe) ends only the wait for
        the first bytes.
        """
        if self._is_at_end:
            return None
        timeout_ms = None if timeout_seconds is None else max(0.0, timeout_seconds * 1000)
        ready = self._any.poll(timeout_ms)
        if self._wake is not None and any(number == self._wake for number, _ in ready):
            os.read(self._wake, 65536)
        if not any(number == self._descriptor for number, _ in ready):
            return self._give(self._given + self._kept, start=self._given)
        space = memoryview(self._space)
        space[: self._kept] = bytes(space[self._given : self._given + self._kept])
        filled, self._is_at_end = self._fill(space, self._kept)
        if self._is_at_end and not filled:
            return None
        whole = self._space.rfind(b"\n", 0, filled) + 1
        self._kept = filled
        return self._give(filled if self._is_at_end or not whole else whole)

    def _give(self, end: int, *, start: int = 0) -> memoryview:
        """Returns a part of the space up to `end`; what was kept beyond it stays kept."""
        self._kept -= end - start
        self._given = end
        return memoryview(self._space)[start:end]

    def _fill(self, space: memoryview, filled: int) -> tuple[int, bool]:
        """Returns how much of the space is filled, and whether the pipe has ended."""
        started = time.monotonic()
        came = 0
        while filled < len(space):
            count = self._read_into(space[filled:])
            if count == 0:
                return filled, True
            if count > 0:
                filled += count
                came += count
            elif not self._only.poll(self._patience_ms(time.monotonic() - started)):
                self._idle_ms = min(2 * self._idle_ms, self._most_idle_ms)
                break
            seconds = time.monotonic() - started
            if seconds > self._longest_seconds:
                break
            if count > 0 and filled < len(space):
                self._nap(came / seconds if seconds else float("inf"))
        return filled, False

    def _patience_ms(self, passed_seconds: float) -> float:
        """Returns how long a pause may be, in a block that began so long ago."""
        return min(self._idle_ms, max(0.0, self._longest_seconds - passed_seconds) * 1000)

    def _nap(self, bytes_per_second: float) -> None:
        """Lets a slow program fill a quarter of the pipe, or 20 ms pass.

        Each record of its own would wake this process otherwise, at the program's cost, too.
        """
        shortest, longest = _NAP_SECONDS
        seconds = min(longest, self._pipe_bytes / 4 / bytes_per_second)
        if seconds >= shortest:
            time.sleep(seconds)

    def _read_into(self, space: memoryview) -> int:
        """Returns the bytes read, 0 at the end, -1 when there is nothing yet."""
        try:
            return os.readv(self._descriptor, [space])
        except BlockingIOError:
            return -1


def blocks_of(reader: BlockReader, has_ended: Callable[[], bool]) -> Iterator[memoryview]:
    """Yields blocks, empty ones while there are none, to the end of output or of the program.

    The program's end counts too: something that outlived it may hold the pipe open.
    """
    while True:
        is_over = has_ended()
        block = reader.next_block(0 if is_over else LOOK_SECONDS)
        if block is None or (is_over and not block):
            return
        yield block
