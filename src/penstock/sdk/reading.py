"""Reading a native source: each configured stream's life, pages, states and counts, in order.

The same walk serves the engine (in process) and the command line (as an Airbyte program).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from penstock.data.items import Checkpoint, Claim, Emptied, LogLine, StartsAnew, StatusChange
from penstock.errors import (
    ConfigError,
    ConnectorFailed,
    PenstockError,
    ProtocolError,
    StateOutdated,
    UnknownName,
)
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.codec import stream_state_of
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.state import GlobalState, StateType, StreamState, stream_state
from penstock.protocol.state import State as StateMessage
from penstock.sdk.config import masked_text
from penstock.sdk.config.parse import nearest
from penstock.sdk.source import Source
from penstock.sdk.stream import ReadRequest, State, Stream, descriptor_of
from penstock.sdk.together import ReadsTogether, Rows, Said, SharedRequest, SharedState

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.json_rows import JsonRows

_log = logging.getLogger(__name__)

NO_STATE: Final = b'{"__ab_no_cursor_state_message":true}'
"""The CDK's word for "nothing to continue from": the protocol wants a state of every stream."""

_NO_STATE_KEYS: Final = frozenset(
    {"__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows of one stream, as its source yielded them; never empty."""

    configured: ConfiguredStream
    stream: Stream
    rows: pa.RecordBatch | list[dict[str, Any]] | JsonRows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows)


ReadItem = StatusChange | StartsAnew | Page | Checkpoint | LogLine | Emptied


def read_streams(
    source: Source,
    catalog: ConfiguredCatalog,
    states: Sequence[StateMessage],
    *,
    should_stop: Callable[[], bool] = lambda: False,
    secrets: Callable[[], frozenset[str]] = frozenset,
    may_start_anew: bool = False,
) -> Iterator[ReadItem]:
    """Yields the configured streams one after the other: STARTED, pages and states, COMPLETE.

    Each state carries the count of rows since the stream's last one. A stream whose source gave
    no state after its last rows gets one: see `_final_state`.

    A ConfigError (AccessDenied, UnknownName) ends the reading at once; any other error makes its
    stream INCOMPLETE, the other streams are read, and the first error is raised at the end. When
    `should_stop` becomes true, the reading ends before the next page, without an error.
    With `may_start_anew`, a full refresh whose state is outdated says StartsAnew and does so.
    What `secrets` returns is masked in what a foreign exception says. Streams that share a position
    (`ReadsTogether`) come last, all at once, with global states.
    """
    failures: list[PenstockError] = []
    chosen = _chosen(source, catalog)
    together = _together(source, chosen)
    for stream, configured in chosen:
        if configured.descriptor in together:
            continue
        descriptor = configured.descriptor
        try:
            is_whole = yield from _read_one(
                stream, configured, states, should_stop, may_start_anew=may_start_anew
            )
        except Exception as error:
            failure = connector_error(error, f"The stream {descriptor}", secrets=secrets())
            yield StatusChange(
                stream=descriptor, status=StreamStatusKind.INCOMPLETE, reason=failure.message
            )
            if isinstance(failure, ConfigError):
                raise failure from error
            failures.append(failure)
        else:
            if not is_whole:
                return
    if together and isinstance(source, ReadsTogether):
        reading = _SharedReading(source, together)
        yield from reading.items(states, should_stop, secrets)
    if failures:
        others = ", ".join(failure.message for failure in failures[1:])
        failures[0].context.update({"other_failures": others} if others else {})
        raise failures[0]


def connector_error(
    error: Exception, what: str, *, secrets: frozenset[str] = frozenset()
) -> PenstockError:
    """Returns the error itself if it is one of ours, else ConnectorFailed around it."""
    if isinstance(error, PenstockError):
        return error
    words = masked_text(f"{type(error).__name__}: {error}", secrets)
    failure = ConnectorFailed(
        f"{what} failed in a way its connector did not foresee: {words}",
        remedy="Report it to the connector's author with the traceback (--debug).",
    )
    failure.__cause__ = error
    return failure


def _chosen(source: Source, catalog: ConfiguredCatalog) -> list[tuple[Stream, ConfiguredStream]]:
    known = {descriptor_of(stream): stream for stream in source.streams()}
    for configured in catalog.streams:
        if configured.descriptor not in known:
            name = str(configured.descriptor)
            raise UnknownName(
                f"The source has no stream {name}{nearest(name, [str(each) for each in known])}.",
                remedy="Discover the source again, and choose among the streams it has.",
                stream=name,
            )
    return [(known[configured.descriptor], configured) for configured in catalog.streams]


def _read_one(
    stream: Stream,
    configured: ConfiguredStream,
    states: Sequence[StateMessage],
    should_stop: Callable[[], bool],
    *,
    may_start_anew: bool,
) -> Generator[ReadItem, None, bool]:
    """Yields one stream; returns False when it was stopped before its end."""
    descriptor = configured.descriptor
    request = _request(stream, configured, states)
    yield StatusChange(stream=descriptor, status=StreamStatusKind.STARTED)
    try:
        return (yield from _read_from(stream, configured, request, should_stop))
    except StateOutdated as error:
        is_continued = request.mode is SyncMode.FULL_REFRESH and request.state is not None
        if not (may_start_anew and is_continued):
            raise
        yield StartsAnew(stream=descriptor, reason=error.message)
    return (yield from _read_from(stream, configured, replace(request, state=None), should_stop))


def _read_from(
    stream: Stream,
    configured: ConfiguredStream,
    request: ReadRequest,
    should_stop: Callable[[], bool],
) -> Generator[ReadItem, None, bool]:
    descriptor = configured.descriptor
    newest: State | None = None
    counted, is_running = 0, False
    with ExitStack() as stack:
        items = stream.read(request)
        if isinstance(items, Generator):
            stack.callback(items.close)
        for item in items:
            if should_stop():
                return False
            if isinstance(item, State):
                newest = item
                yield _checkpoint(configured, _blob(configured, item), counted)
                counted = 0
            elif len(item):
                if not is_running:
                    is_running = True
                    yield StatusChange(stream=descriptor, status=StreamStatusKind.RUNNING)
                counted += len(item)
                yield Page(configured=configured, stream=stream, rows=item)
    if should_stop():
        return False
    # A mark within a full refresh is no position for who asked for what changed.
    is_other = request.mode is not configured.sync_mode
    if newest is None or counted or is_other:
        yield _checkpoint(configured, _final_state(configured, request, newest), counted)
    yield StatusChange(stream=descriptor, status=StreamStatusKind.COMPLETE)
    return True


def _together(
    source: Source, chosen: Sequence[tuple[Stream, ConfiguredStream]]
) -> dict[StreamDescriptor, tuple[Stream, ConfiguredStream]]:
    """Returns the streams that are read in one go."""
    if not isinstance(source, ReadsTogether) or not source.reads_together:
        return {}
    return {
        configured.descriptor: (stream, configured)
        for stream, configured in chosen
        if _mode(stream, configured) is SyncMode.INCREMENTAL
    }


class _SharedReading:
    """The streams that share one position, from STARTED to COMPLETE."""

    def __init__(
        self,
        source: ReadsTogether,
        streams: dict[StreamDescriptor, tuple[Stream, ConfiguredStream]],
    ) -> None:
        self._source = source
        self._streams = streams
        self._running: set[StreamDescriptor] = set()
        self._counted = 0

    def items(
        self,
        states: Sequence[StateMessage],
        should_stop: Callable[[], bool],
        secrets: Callable[[], frozenset[str]],
    ) -> Iterator[ReadItem]:
        yield from self._statuses(StreamStatusKind.STARTED)
        request = SharedRequest(streams=tuple(self._streams), state=_shared_state(states))
        try:
            with ExitStack() as stack:
                items = self._source.read_together(request)
                if isinstance(items, Generator):
                    stack.callback(items.close)
                for item in items:
                    if should_stop():
                        return
                    yield from self._item(item)
        except Exception as error:
            failure = connector_error(error, "The reading of the log", secrets=secrets())
            yield from self._statuses(StreamStatusKind.INCOMPLETE, failure.message)
            raise failure from error
        if not should_stop():
            yield from self._statuses(StreamStatusKind.COMPLETE)

    def _item(self, item: Rows | SharedState | Said | Emptied) -> Iterator[ReadItem]:
        match item:
            case Rows():
                if not len(item.rows):
                    return
                if item.stream not in self._running:
                    self._running.add(item.stream)
                    yield StatusChange(stream=item.stream, status=StreamStatusKind.RUNNING)
                stream, configured = self._streams[item.stream]
                self._counted += len(item.rows)
                yield Page(configured=configured, stream=stream, rows=item.rows)
            case SharedState():
                claim = Claim(claimed=float(self._counted), counted=self._counted)
                self._counted = 0
                yield Checkpoint(state=_global_state(item), claims=(claim,))
            case Said():
                yield LogLine(level=item.level, message=item.message)
            case Emptied():
                yield item
            case _:
                assert_never(item)

    def _statuses(
        self, status: StreamStatusKind, reason: str | None = None
    ) -> Iterator[StatusChange]:
        for stream in self._streams:
            yield StatusChange(stream=stream, status=status, reason=reason)


def _global_state(state: SharedState) -> StateMessage:
    inner = GlobalState(
        shared_state=msgspec.Raw(msgspec.json.encode(state.value)),
        stream_states=tuple(
            StreamState(
                stream_descriptor=stream, stream_state=msgspec.Raw(msgspec.json.encode(value))
            )
            for stream, value in state.streams.items()
        ),
    )
    return StateMessage(type=StateType.GLOBAL, global_=inner)


def _shared_state(states: Sequence[StateMessage]) -> SharedState | None:
    """Returns the newest global state; those of single streams say nothing of a log."""
    found = next((each.global_ for each in reversed(states) if each.global_ is not None), None)
    if found is None:
        return None
    value = msgspec.json.decode(found.shared_state)
    if not isinstance(value, dict):
        raise ConfigError(
            "The global state is not an object that this source wrote.",
            remedy="Reset the state of the connection, and the next sync begins anew.",
        )
    inner = {
        each.stream_descriptor: msgspec.json.decode(each.stream_state)
        for each in found.stream_states
    }
    return SharedState(
        value=value, streams={s: v for s, v in inner.items() if isinstance(v, dict) and v}
    )


def _request(
    stream: Stream, configured: ConfiguredStream, states: Sequence[StateMessage]
) -> ReadRequest:
    mode = _mode(stream, configured)
    is_incremental = mode is SyncMode.INCREMENTAL
    may_continue = is_incremental or stream.is_resumable
    return ReadRequest(
        mode=mode,
        state=_position(configured, states) if may_continue else None,
        cursor=configured.effective_cursor() if is_incremental else None,
        fields=fields_of_stream(configured),
        takes_json=True,
    )


def _mode(stream: Stream, configured: ConfiguredStream) -> SyncMode:
    """Returns how to read a stream: whole where it knows no other way, as Airbyte's sources do.

    PyAirbyte asks for every stream incrementally, and for those without a cursor means this.
    """
    if configured.sync_mode in stream.modes:
        return configured.sync_mode
    if configured.sync_mode is SyncMode.INCREMENTAL and SyncMode.FULL_REFRESH in stream.modes:
        _log.warning("%s has no cursor: it is read whole", configured.descriptor)
        return SyncMode.FULL_REFRESH
    raise ConfigError(
        f"The stream {configured.descriptor} cannot be read in mode {configured.sync_mode}.",
        remedy=f"Choose one of: {', '.join(stream.modes)}.",
        stream=configured.descriptor,
    )


def fields_of_stream(configured: ConfiguredStream) -> tuple[str, ...] | None:
    """Returns the top-level properties that were chosen; None when the catalogue names none."""
    properties = configured.stream.json_schema.get("properties")
    return tuple(properties) if isinstance(properties, dict) else None


def _position(
    configured: ConfiguredStream, states: Sequence[StateMessage]
) -> dict[str, Any] | None:
    if any(state.kind is StateType.LEGACY for state in states):
        raise ConfigError(
            "The state is in the protocol's old form, which this source never wrote.",
            remedy="Reset the state of the connection, or give the state the source last sent.",
        )
    found = stream_state_of(states, configured.descriptor)
    value = None if found is None else json.loads(bytes(found.stream_state))
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise ConfigError(
            f"The state of the stream {configured.descriptor} is not an object.",
            remedy="Reset the stream's state, and the next sync begins anew.",
            stream=configured.descriptor,
        )
    return None if _NO_STATE_KEYS & value.keys() else value


def _final_state(configured: ConfiguredStream, request: ReadRequest, newest: State | None) -> bytes:
    """Returns the state that ends a stream whose own last state does not cover its last rows.

    Incremental: the position has not moved, so it is the newest there is, else the one begun from;
    the next sync reads those rows again. Full refresh: nothing to continue from, since continuing
    from an older state would send the rows twice.
    """
    if request.mode is SyncMode.INCREMENTAL:
        value = newest or (State(request.state) if request.state is not None else None)
        return NO_STATE if value is None else _blob(configured, value)
    return NO_STATE


def _blob(configured: ConfiguredStream, state: State) -> bytes:
    try:
        text = json.dumps(
            dict(state.value), allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
        return text.encode()
    except (TypeError, ValueError) as error:
        raise ProtocolError(
            f"The stream {configured.descriptor} yielded a state that is not JSON: {error}.",
            remedy="Report it to the connector's author.",
            stream=configured.descriptor,
        ) from error


def _checkpoint(configured: ConfiguredStream, blob: bytes, counted: int) -> Checkpoint:
    return Checkpoint(
        state=stream_state(configured.descriptor, blob),
        claims=(Claim(claimed=float(counted), counted=counted),),
    )
