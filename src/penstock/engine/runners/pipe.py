"""A connector's standard output in large blocks when it is fast, at once when it is slow."""

from __future__ import annotations

import fcntl
import os
import select
import time

PIPE_BYTES = 1 << 20
"""The most an unprivileged process may ask for on Linux (/proc/sys/fs/pipe-max-size)."""
BLOCK_BYTES = 8 << 20
IDLE_SECONDS = 0.05
LONGEST_SECONDS = 1.0


def enlarge_pipe(descriptor: int, size: int = PIPE_BYTES) -> int:
    """Asks for a larger pipe buffer; returns what it is now, 0 where that cannot be asked."""
    ask = getattr(fcntl, "F_SETPIPE_SZ", None)
    if ask is None:
        return 0
    try:
        return fcntl.fcntl(descriptor, ask, size)
    except OSError:  # the user's quota of pipe pages is used up (pipe(7)): slower, not wrong
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


class BlockReader:
    """Reads a pipe in blocks: full ones, or what came before a pause or the longest wait.

    After the first bytes of a block it goes on until the block is full, nothing came for
    `idle_seconds`, or `longest_seconds` have passed. Each block is a copy out of one reused
    space: measured no slower than a fresh space for each, which the kernel would have to clear.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        wake: int | None = None,
        block_bytes: int = BLOCK_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._descriptor = descriptor
        self._wake = wake
        self._space = memoryview(bytearray(block_bytes))
        self._idle_ms = idle_seconds * 1000
        self._longest_seconds = longest_seconds
        self._any = select.poll()
        self._any.register(descriptor, select.POLLIN)
        if wake is not None:
            self._any.register(wake, select.POLLIN)
        self._only = select.poll()
        self._only.register(descriptor, select.POLLIN)
        os.set_blocking(descriptor, False)
        self._is_at_end = False

    def next_block(self, timeout_seconds: float | None = None) -> bytes | None:
        """Returns the next bytes; empty when woken or out of time; None at the end.

        Being woken (a byte in the wake pipe) ends only the wait for the first bytes.
        """
        if self._is_at_end:
            return None
        timeout_ms = None if timeout_seconds is None else max(0.0, timeout_seconds * 1000)
        ready = self._any.poll(timeout_ms)
        if self._wake is not None and any(number == self._wake for number, _ in ready):
            os.read(self._wake, 65536)
        if not any(number == self._descriptor for number, _ in ready):
            return b""
        filled, self._is_at_end = self._fill()
        if self._is_at_end and not filled:
            return None
        return bytes(self._space[:filled])

    def _fill(self) -> tuple[int, bool]:
        """Returns how much of the space is filled, and whether the pipe has ended."""
        filled = 0
        deadline = time.monotonic() + self._longest_seconds
        while filled < len(self._space):
            count = self._read_into(self._space[filled:])
            if count == 0:
                return filled, True
            if count > 0:
                filled += count
            elif not self._only.poll(self._idle_ms):
                break
            if time.monotonic() > deadline:
                break
        return filled, False

    def _read_into(self, space: memoryview) -> int:
        """Returns the bytes read, 0 at the end, -1 when there is nothing yet."""
        try:
            return os.readv(self._descriptor, [space])
        except BlockingIOError:
            return -1
