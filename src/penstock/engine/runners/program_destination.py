"""An Airbyte destination program as a destination: rows go in as lines, states come back out.

The program decides when rows become durable and tells it by giving a state back (Airbyte
protocol, "State": all of them, in order, after the records before them). So the power here is
CommitsLater, and the guarantee at least once: a crash between the program's commit and penstock's
note of it repeats rows.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import orjson

from penstock.data.items import LogLine
from penstock.engine.runners.program_writing import ProgramWriting
from penstock.errors import BugError, ProofFailed
from penstock.protocol.catalog import ConfiguredCatalog, DestinationSyncMode, StreamDescriptor
from penstock.protocol.codec import encode_message
from penstock.protocol.messages import (
    Message,
    MessageType,
    StreamStatus,
    StreamStatusKind,
    Trace,
)
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State, StateStats, StateType
from penstock.sdk.destination import Capabilities, LateCommit, StreamPlan, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

_MODES: Final[Mapping[DestinationSyncMode, WriteMode]] = {
    DestinationSyncMode.APPEND: WriteMode.APPEND,
    DestinationSyncMode.OVERWRITE: WriteMode.OVERWRITE,
    DestinationSyncMode.APPEND_DEDUP: WriteMode.APPEND_DEDUP,
}
_LONGEST_NAME: Final = 1 << 20
"""The program makes names its own way: penstock shortens none."""


class WritesMessages(Protocol):
    """A runner of a destination program."""

    @property
    def name(self) -> str: ...

    def spec(self) -> ConnectorSpec: ...

    def check(self, config: Mapping[str, Any]) -> None: ...

    def write(
        self, config: Mapping[str, Any], catalog: ConfiguredCatalog, stop: threading.Event
    ) -> AbstractContextManager[ProgramWriting]: ...


def program_capabilities(spec: ConnectorSpec) -> Capabilities:
    """Returns what a program says it can do; one that names no modes can append and overwrite."""
    told = spec.supported_destination_sync_modes
    modes = told or (DestinationSyncMode.APPEND, DestinationSyncMode.OVERWRITE)
    return Capabilities(
        modes=frozenset(_MODES[mode] for mode in modes if mode in _MODES),
        exactly_once=False,
        max_identifier_bytes=_LONGEST_NAME,
        resumes_overwrite=False,
    )


@dataclass(slots=True)
class _HandedOver:
    """A state given to the program, and what it covers; `state` None where there was none."""

    state: Any
    rows: int
    position: int
    """Among all states of all streams."""
    is_repeat: bool = False
    """True for a state that was just given, with no row since: it is not sent again."""


class ProgramDestination:
    """A destination program with its configuration; nothing runs between syncs."""

    def __init__(self, runner: WritesMessages, config: Mapping[str, Any]) -> None:
        self._runner = runner
        self._config = config
        self._start: Callable[[], _Conversation] | None = None
        self._running: _Conversation | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the program's specification says; asks for it once."""
        return program_capabilities(self._runner.spec())

    def check(self) -> None:
        """Returns when the program accepts the configuration."""
        self._runner.check(self._config)

    @contextmanager
    def begin(
        self,
        catalog: ConfiguredCatalog,
        names: Mapping[StreamDescriptor, StreamDescriptor],
        stop: threading.Event,
    ) -> Iterator[None]:
        """Prepares one sync; leaving ends the program, by force if it was not `end`ed.

        The program is started with the first stream: some empty their tables as they start.
        """
        with ExitStack() as stack:

            def start() -> _Conversation:
                writing = stack.enter_context(self._runner.write(self._config, catalog, stop))
                return _Conversation(self._runner.name, writing, names)

            self._start = start
            try:
                yield
            finally:
                self._start = self._running = None

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[ProgramStreamWriter]:
        """Opens the way of one stream into the running program."""
        yield ProgramStreamWriter(self._conversation(), plan.stream)

    def hand_over_shared(self, state: State) -> None:
        """Sends a state that covers all rows so far."""
        self._conversation().hand_over_shared(state)

    def heard(self) -> Sequence[LateCommit | LogLine]:
        """Returns the commits and log lines told since the last call."""
        return () if self._running is None else self._running.heard()

    def end(
        self, incomplete: Sequence[StreamDescriptor] = ()
    ) -> Iterator[Sequence[LateCommit | LogLine]]:
        """Ends the input and yields what is heard until the program has ended well."""
        if self._running is not None:
            yield from self._running.end(incomplete)

    def _conversation(self) -> _Conversation:
        if self._running is None:
            if self._start is None:
                raise BugError(f"No sync into {self._runner.name} has begun.", remedy="Report it.")
            self._running = self._start()
        return self._running


class ProgramStreamWriter:
    """Writes one stream into a running program; see `penstock.sdk.destination.CommitsLater`."""

    def __init__(self, conversation: _Conversation, stream: StreamDescriptor) -> None:
        self._conversation = conversation
        self._stream = stream

    def write(self, batch: pa.RecordBatch) -> None:
        """Sends rows; waits while the program is busy."""
        self._conversation.send_rows(self._stream, batch)

    def commit(self, state: State | None) -> int:
        """Sends the state; the program gives it back once the rows before it are durable."""
        self._conversation.hand_over(self._stream, state)
        return 0

    def finish(self, state: State | None) -> int:
        """Sends the last state, and that the stream is complete."""
        self._conversation.hand_over(self._stream, state)
        self._conversation.send_status(self._stream, StreamStatusKind.COMPLETE)
        return 0


class _Conversation:
    """What was sent to a running program and not yet given back, stream by stream."""

    def __init__(
        self,
        name: str,
        writing: ProgramWriting,
        names: Mapping[StreamDescriptor, StreamDescriptor],
    ) -> None:
        self._name = name
        self._writing = writing
        self._there = dict(names)
        self._here = {there: here for here, there in names.items()}
        self._waiting: dict[StreamDescriptor | None, deque[_HandedOver]] = {
            stream: deque() for stream in (None, *names)
        }
        self._rows = dict.fromkeys(names, 0)
        """Rows since the last state of a stream."""
        self._rows_of_all = 0
        self._position = 0
        self._sent: dict[StreamDescriptor | None, Any] = {}
        self._back: dict[StreamDescriptor | None, Any] = {}
        self._answered: list[LateCommit] = []
        """Commits that need no word of the program."""
        self._ended: set[StreamDescriptor] = set()

    def send_rows(self, stream: StreamDescriptor, batch: pa.RecordBatch) -> None:
        from penstock.data.encode import encode_batch  # noqa: PLC0415 (loads pyarrow)

        for lines in encode_batch(self._there[stream], batch):
            self._writing.send(lines)
        self._rows[stream] += batch.num_rows
        self._rows_of_all += batch.num_rows

    def send_status(self, stream: StreamDescriptor, status: StreamStatusKind) -> None:
        if stream in self._ended:
            return  # a last state came after the end: the end is told once
        self._ended.add(stream)
        step = StreamStatus(stream_descriptor=self._there[stream], status=status)
        trace = Trace(type="STREAM_STATUS", emitted_at=int(time.time() * 1000), stream_status=step)
        self._send(Message(type=MessageType.TRACE, trace=trace))

    def hand_over(self, stream: StreamDescriptor, state: State | None) -> None:
        rows, self._rows[stream] = self._rows[stream], 0
        self._hand_over(stream, state, rows)

    def hand_over_shared(self, state: State) -> None:
        rows, self._rows_of_all = self._rows_of_all, 0
        self._hand_over(None, state, rows)

    def heard(self) -> Sequence[LateCommit | LogLine]:
        return self._understood(self._writing.heard())

    def end(
        self, incomplete: Sequence[StreamDescriptor]
    ) -> Iterator[Sequence[LateCommit | LogLine]]:
        for stream in incomplete:
            self.send_status(stream, StreamStatusKind.INCOMPLETE)
        for heard in self._writing.end():
            yield self._understood(heard)
        yield self._implied()

    def _understood(self, heard: Sequence[State | LogLine]) -> list[LateCommit | LogLine]:
        understood: list[LateCommit | LogLine] = [*self._answered]
        self._answered.clear()
        for said in heard:
            understood += [said] if isinstance(said, LogLine) else self._given_back(said)
        return understood

    def _given_back(self, state: State) -> list[LateCommit | LogLine]:
        """Returns the commits a state answers: its own, and those handed over before it."""
        there = state.descriptor
        stream = None if there is None else self._here.get(_normal(there))
        waiting = self._waiting[stream] if there is None or stream is not None else deque()
        content = _content(state)
        if not any(handed.state == content for handed in waiting):
            what = there or "all streams"
            told = f"{self._name} gave back a state of {what} that it was not given."
            return [LogLine(level="WARN", message=told, origin="destination")]
        answered = []
        while True:
            answered.append(waiting.popleft())
            if answered[-1].state == content:
                break
        self._back[stream] = content
        commits: list[LateCommit | LogLine] = [
            *self._proved(stream, answered, state.destination_stats)
        ]
        return commits if stream else [*self._stateless(answered[-1].position), *commits]

    def _stateless(self, position: int) -> list[LateCommit]:
        """Returns the commits without a state of their own that a shared state answers."""
        commits = []
        for stream, waiting in self._waiting.items():
            while waiting and waiting[0].state is None and waiting[0].position < position:
                waiting.popleft()
                commits.append(LateCommit(stream=stream, rows=None))
        return commits

    def _proved(
        self,
        stream: StreamDescriptor | None,
        answered: Sequence[_HandedOver],
        stats: StateStats | None,
    ) -> Iterator[LateCommit]:
        """Yields a commit each; the program's own count is of the last, or of them all."""
        if stats is not None and stats.rejected_record_count:
            raise ProofFailed(
                f"{self._name} rejected {stats.rejected_record_count:g} records of"
                f" {stream or 'the sync'}.",
                remedy="Its log says why; correct the records or its configuration, and repeat.",
                stream=stream,
            )
        counted = None if stats is None or stats.record_count is None else stats.record_count
        total = sum(handed.rows for handed in answered)
        *earlier, last = answered
        for _ in earlier:
            yield LateCommit(stream=stream, rows=None)
        own = last.rows if counted is None or counted == total else int(counted)
        if stream is None and own != last.rows:
            raise ProofFailed(
                f"{self._name} counted {own} records up to a state, and was sent {last.rows}.",
                remedy="Run the sync again; if it repeats, report it to the destination's author.",
            )
        yield LateCommit(stream=stream, rows=own)

    def _implied(self) -> list[LateCommit]:
        """Returns the commits that had no state to give back: the program ended well.

        Raises ProofFailed where a state is missing.
        """
        missing = [
            str(stream or "all streams")
            for stream, waiting in self._waiting.items()
            if any(h.state not in (None, self._back.get(stream)) for h in waiting)
        ]
        if missing:
            raise ProofFailed(
                f"{self._name} ended without giving back the last state of {', '.join(missing)}.",
                remedy="Run the sync again; if it repeats, the destination breaks the protocol:"
                " report it to its author.",
            )
        return [
            LateCommit(stream=stream, rows=None)
            for stream, waiting in self._waiting.items()
            for _ in waiting
        ]

    def _hand_over(self, stream: StreamDescriptor | None, state: State | None, rows: int) -> None:
        self._position += 1
        waiting = self._waiting[stream]
        if state is None:
            waiting.append(_HandedOver(state=None, rows=rows, position=self._position))
            return
        named = _renamed(state, lambda each: self._there.get(_normal(each), each))
        content = _content(named)
        is_repeat = not rows and self._sent.get(stream) == content
        if is_repeat and not waiting:
            self._answered.append(LateCommit(stream=stream, rows=0))
            return
        waiting.append(
            _HandedOver(state=content, rows=rows, position=self._position, is_repeat=is_repeat)
        )
        if is_repeat:
            return
        self._sent[stream] = content
        stats = StateStats(record_count=float(rows))
        counted = msgspec.structs.replace(named, source_stats=stats, destination_stats=None)
        self._send(Message(type=MessageType.STATE, state=counted))

    def _send(self, message: Message) -> None:
        self._writing.send(encode_message(message) + b"\n")


def _renamed(state: State, name: Callable[[StreamDescriptor], StreamDescriptor]) -> State:
    """Returns the state with its streams named otherwise."""
    replace = msgspec.structs.replace
    if state.kind is StateType.STREAM and state.stream is not None:
        renamed = replace(state.stream, stream_descriptor=name(state.stream.stream_descriptor))
        return replace(state, stream=renamed)
    if state.kind is StateType.GLOBAL and state.global_ is not None:
        streams = tuple(
            replace(inner, stream_descriptor=name(inner.stream_descriptor))
            for inner in state.global_.stream_states
        )
        return replace(state, global_=replace(state.global_, stream_states=streams))
    return state


def _normal(stream: StreamDescriptor) -> StreamDescriptor:
    return stream if stream.namespace else StreamDescriptor(stream.name)


def _content(state: State | None) -> Any:
    """Returns what a program must give back unchanged, however it writes JSON."""
    if state is None:
        return None
    match state.kind:
        case StateType.STREAM if state.stream is not None:
            blob = bytes(state.stream.stream_state)
            return orjson.loads(blob) if blob else None, str(state.stream.stream_descriptor)
        case StateType.GLOBAL if state.global_ is not None:
            inner = {
                str(each.stream_descriptor): orjson.loads(bytes(each.stream_state) or b"null")
                for each in state.global_.stream_states
            }
            return orjson.loads(bytes(state.global_.shared_state) or b"null"), inner
        case _:
            return orjson.loads(bytes(state.data) or b"null")
