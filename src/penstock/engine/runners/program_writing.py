"""One run of a destination program: lines in through a pipe that may be full, its words out."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from penstock.data.items import LogLine
from penstock.engine.runners.child import DRAIN_SECONDS, PENDING_LINES, Child, Exit
from penstock.engine.runners.failure import Account
from penstock.engine.runners.pipe import BlockReader
from penstock.errors import Cancelled, ConnectorFailed, PenstockError
from penstock.protocol import codec
from penstock.protocol.state import State

_WRITE_BYTES: Final = 1 << 20
_LOOK_SECONDS: Final = 0.25
"""How often a wait looks whether it is to stop, and whether the program has ended."""
_ORIGIN: Final = "destination"


class ProgramWriting:
    """The program's input, filled by one thread, and what it says, read by another."""

    def __init__(self, child: Child, account: Account, stop: threading.Event) -> None:
        self._child = child
        self._account = account
        self._stop = stop
        self._has_input = True
        self._lock = threading.Lock()
        self._heard: list[State | LogLine] = []
        self._dropped = 0
        self._broken: PenstockError | None = None
        self._is_closing = False
        self._has_ended = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, name="penstock-destination", daemon=True
        )
        self._listener.start()

    def send(self, lines: bytes) -> None:
        """Writes whole lines to the program, waiting while it is busy.

        Raises what the program ended with, if it ended, and Cancelled when it is to stop.
        """
        left = memoryview(lines)
        while left:
            try:
                left = left[os.write(self._child.stdin, left[:_WRITE_BYTES]) :]
            except BlockingIOError:
                self._wait_for_room()
            except BrokenPipeError:
                raise self._early_end() from None

    def heard(self) -> Sequence[State | LogLine]:
        """Returns at once the states and log lines that came since the last call, in order.

        Raises what the program ended with, if it ended before its input did and told nothing
        more.
        """
        has_ended = self._has_ended.is_set()
        heard = self._take()
        if not heard and has_ended and self._has_input:
            raise self._early_end()
        return heard

    def end(self) -> Iterator[Sequence[State | LogLine]]:
        """Ends the input and yields what is heard until the program has ended well.

        There is no time limit: what a program does then may take hours. Raises what it failed
        with, and Cancelled when it is to stop.
        """
        self._has_input = False
        self._child.end_input()
        while not self._has_ended.wait(_LOOK_SECONDS):
            self._raise_if_stopped()
            yield self._take()
        ended = self._wait()
        yield self._take()
        if self._broken is not None:
            raise self._broken
        if not ended.is_good or self._account.has_traces:
            cause = "ended after an error" if ended.is_good else ""
            raise self._failure(ended, cause)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Ends the program when left, if it still runs: it does not see an end of its input."""
        try:
            yield
        finally:
            self._is_closing = True
            self._child.stop()
            self._has_ended.wait(DRAIN_SECONDS)
            self._listener.join()

    def _listen(self) -> None:
        reader = BlockReader(self._child.stdout, block_bytes=1 << 20)
        rest = b""
        try:
            while (block := reader.next_block(_LOOK_SECONDS)) is not None:
                if self._is_closing and not block:
                    return
                *lines, rest = (rest + block).split(b"\n") if block else (rest,)
                self._keep(lines)
            self._keep([rest])
        except PenstockError as error:
            self._account.masker.mask_error(error)
            self._broken = error
        finally:
            self._has_ended.set()

    def _keep(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            if not line.strip():
                continue
            message = codec.decode_line(line)
            if message.state is not None:
                self._add(message.state)
            elif message.log is not None:
                said = self._account.note_log(message.log.level, message.log.message)
                self._add(LogLine(level=said.level, message=said.message, origin=_ORIGIN))
            elif message.trace is not None and message.trace.error is not None:
                told = self._account.note_trace(message.trace.error)
                self._add(LogLine(level="ERROR", message=told.message, origin=_ORIGIN))

    def _add(self, said: State | LogLine) -> None:
        with self._lock:
            if isinstance(said, LogLine) and len(self._heard) >= PENDING_LINES:
                self._dropped += 1
            else:
                self._heard.append(said)

    def _take(self) -> list[State | LogLine]:
        with self._lock:
            heard, self._heard = self._heard, []
            dropped, self._dropped = self._dropped, 0
        for line in self._child.take_lines():
            said = self._account.stderr_line(line)
            heard.append(LogLine(level=said.level, message=said.message, origin=_ORIGIN))
        if dropped:
            told = f"({dropped} log messages of the destination were dropped)"
            heard.append(LogLine(level="WARN", message=told, origin=_ORIGIN))
        return heard

    def _wait_for_room(self) -> None:
        self._raise_if_stopped()
        poll = select.poll()
        poll.register(self._child.stdin, select.POLLOUT)
        poll.poll(_LOOK_SECONDS * 1000)

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise Cancelled(
                "The sync was stopped while the destination was busy.",
                remedy="Run it again: it continues from the last state the destination gave back.",
            )

    def _early_end(self) -> PenstockError:
        """Returns why the program ended while it was still being written to."""
        self._has_ended.wait(DRAIN_SECONDS)
        ended = self._wait()
        if self._broken is not None:
            return self._broken
        cause = "ended before its input did" if ended.is_good else ""
        return self._failure(ended, cause)

    def _wait(self) -> Exit:
        """Returns how the program ended; it has closed its output, so that it does soon."""
        ended = self._child.wait(_CLOSE_SECONDS)
        if ended is None:
            self._child.stop()
            ended = self._child.wait(_CLOSE_SECONDS) or Exit()
        return ended

    def _failure(self, ended: Exit, cause: str) -> PenstockError:
        failure = self._account.failure("write", ended, tuple(self._child.tail), cause=cause)
        if isinstance(failure, ConnectorFailed):
            failure.remedy = f"{failure.remedy} What it gave back a state for is kept."
        return failure


_CLOSE_SECONDS: Final = 30.0
"""For the program to end after it closed its output."""
