"""Faults as an input: a connector that fails at its n-th call, before or after its effect.

    for faults in every_call(lambda faults: sync(faults.destination(memory), feed)):
        with contextlib.suppress(Injected):
            sync(faults.destination(memory), feed)
        ...what must hold now?

A fault is raised outside of the connector, so it says nothing of what happens in the middle of a
call; `penstock.testing.processes` kills real processes for that.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from penstock.protocol.catalog import StreamDescriptor
from penstock.sdk.destination import Destination, StoredState, StoresState, StreamPlan, Writer
from penstock.sdk.source import Source
from penstock.sdk.stream import ReadRequest, State, Stream

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.json_rows import JsonRows
    from penstock.protocol.state import State as StateMessage


class Injected(Exception):
    """Raised by a fault, and by nothing else."""


class Moment(StrEnum):
    """Whether the call had its effect before it failed."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True, kw_only=True)
class Faults:
    """Counts the calls of everything it wraps, and fails at one of them.

    `at` None only counts. `calls` are the names of the calls made so far, the failed one last.
    """

    at: int | None = None
    """The call that fails; the first is 1."""
    moment: Moment = Moment.BEFORE
    error: Callable[[str], BaseException] = Injected
    calls: list[str] = field(default_factory=list)

    def destination(self, destination: Destination) -> Destination:
        """Wraps a destination: counted are open, write, commit, finish and the normal close.

        It stores states where the wrapped one does; it never reads back.
        """
        if isinstance(destination, StoresState):
            return cast("Destination", FaultyStoringDestination(destination, self))
        return cast("Destination", FaultyDestination(destination, self))

    def source(self, source: Source) -> Source:
        """Wraps a source: counted are check, streams and each item of each stream."""
        return cast("Source", FaultySource(source, self))

    def stream(self, stream: Stream) -> FaultyStream:
        """Wraps a stream: counted is each item read."""
        return FaultyStream(stream, self)

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Counts one call, and fails it when it is its turn."""
        self.calls.append(name)
        is_turn = len(self.calls) == self.at
        if is_turn and self.moment is Moment.BEFORE:
            raise self.error(f"before {name}, call {self.at}")
        yield
        if is_turn and self.moment is Moment.AFTER:
            raise self.error(f"after {name}, call {self.at}")

    def __str__(self) -> str:
        last = self.calls[-1] if self.calls else "nothing"
        return f"{self.moment} call {self.at} ({last})"


def every_call(
    count: Callable[[Faults], object], moments: Sequence[Moment] = tuple(Moment)
) -> Iterator[Faults]:
    """Runs `count` once without a fault, then yields fresh Faults for every call it made."""
    counted = Faults()
    count(counted)
    for at in range(1, len(counted.calls) + 1):
        for moment in moments:
            yield Faults(at=at, moment=moment)


class FaultyDestination:
    """A destination whose calls go through `Faults`."""

    title = "Faulty"
    documentation_url = ""

    def __init__(self, destination: Any, faults: Faults) -> None:
        self._destination = destination
        self._faults = faults
        self.Config = destination.Config
        self.capabilities = destination.capabilities

    def check(self) -> None:
        with self._faults.call("check"):
            self._destination.check()

    def open(self, plan: StreamPlan) -> AbstractContextManager[Writer]:
        return self._opened(plan)

    @contextmanager
    def _opened(self, plan: StreamPlan) -> Iterator[Writer]:
        with self._faults.call("enter open"):
            context = self._destination.open(plan)
        with context as writer:
            with self._faults.call("open"):
                pass
            yield FaultyWriter(writer, self._faults)
            with self._faults.call("leave"):
                pass
        with self._faults.call("left"):
            pass


class FaultyStoringDestination(FaultyDestination):
    """A destination that stores states, too; counted is only the storing of a global one."""

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        states: Sequence[StoredState] = self._destination.stored_states(connection)
        return states

    def store_global_state(self, connection: str, state: StateMessage, fence: int) -> None:
        with self._faults.call("store_global_state"):
            self._destination.store_global_state(connection, state, fence)

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        self._destination.forget_states(connection, streams)


class FaultyWriter:
    """A writer whose calls go through `Faults`."""

    def __init__(self, writer: Writer, faults: Faults) -> None:
        self._writer = writer
        self._faults = faults

    def write(self, batch: pa.RecordBatch) -> None:
        with self._faults.call("write"):
            self._writer.write(batch)

    def commit(self, state: StateMessage | None) -> int:
        with self._faults.call("commit"):
            return self._writer.commit(state)

    def finish(self, state: StateMessage | None) -> int:
        with self._faults.call("finish"):
            return self._writer.finish(state)


class FaultySource:
    """A source whose calls go through `Faults`."""

    title = "Faulty"
    documentation_url = ""

    def __init__(self, source: Any, faults: Faults) -> None:
        self._source = source
        self._faults = faults
        self.Config = source.Config

    def check(self) -> None:
        with self._faults.call("check"):
            self._source.check()

    def streams(self) -> Sequence[Stream]:
        with self._faults.call("streams"):
            return [FaultyStream(stream, self._faults) for stream in self._source.streams()]


class FaultyStream:
    """A stream that fails at an item, or after a number of rows whatever the pages."""

    def __init__(
        self, stream: Stream, faults: Faults, *, rows_before_failure: int | None = None
    ) -> None:
        self._stream = stream
        self._faults = faults
        self._rows_left = rows_before_failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(
        self, request: ReadRequest
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | JsonRows | State]:
        """Yields the stream's items until the fault; a page cut by it yields its first rows."""
        for item in self._stream.read(request):
            if self._rows_left is not None and not isinstance(item, State):
                if len(item) > self._rows_left:
                    yield item[: self._rows_left]
                    raise self._faults.error("in the middle of a page")
                self._rows_left -= len(item)
            with self._faults.call("item"):
                pass
            yield item


class FailingReader(io.RawIOBase):
    """A binary file that fails after a number of bytes, whatever is asked for at once."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        after_bytes: int,
        error: Callable[[str], BaseException] = Injected,
    ) -> None:
        super().__init__()
        self._file = file
        self._left = after_bytes
        self._after = after_bytes
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads up to the fault, then raises it."""
        if self._left == 0:
            raise self._error(f"after byte {self._after}")
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
