"""A destination as an Airbyte program: messages in, rows durable, states back out."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import BinaryIO, Final

import msgspec

from penstock.data.decode import MessageDecoder, StreamShape
from penstock.data.items import Batch, Checkpoint, ErrorTrace, Item, StatusChange
from penstock.data.names import column_names, table_name
from penstock.data.types import columns_of
from penstock.errors import ConfigError, ConnectorFailed, ProofFailed
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
)
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.state import State, StateStats, StateType
from penstock.sdk.destination import (
    ColumnPlan,
    Destination,
    StoredState,
    StoresState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)

_BLOCK_BYTES: Final = 4 << 20
_IDLE_SECONDS: Final = 0.05
_COMMIT_BYTES: Final = 64 << 20
_COMMIT_SECONDS: Final = 15.0
"""Airbyte allows 15 minutes between two states given back; sooner shows progress sooner."""

_MODES: Final[Mapping[DestinationSyncMode, WriteMode]] = {
    DestinationSyncMode.APPEND: WriteMode.APPEND,
    DestinationSyncMode.OVERWRITE: WriteMode.OVERWRITE,
    DestinationSyncMode.APPEND_DEDUP: WriteMode.APPEND_DEDUP,
    DestinationSyncMode.OVERWRITE_DEDUP: WriteMode.OVERWRITE_DEDUP,
}


def write_messages(
    destination: Destination,
    catalog: ConfiguredCatalog,
    stdin: BinaryIO,
    *,
    connection: str,
    echo: Callable[[State], None],
) -> None:
    """Writes the messages on `stdin`; gives each state to `echo` once its rows are durable.

    States that come in quick succession are given back as the newest of them, which covers the
    others, with the count of all. A stream is published when the input ended well and the stream
    completed, or when the input has no statuses at all. Raises ProofFailed for a stream that
    started and did not complete.
    """
    stored = _stored(destination, connection)
    plans = {
        configured.descriptor: plan_of(configured, destination, stored, connection=connection)
        for configured in catalog.streams
    }
    shapes = {
        descriptor: StreamShape(columns=tuple(column.column for column in plan.columns))
        for descriptor, plan in plans.items()
    }
    with MessageDecoder(shapes) as decoder, _Writing(destination, plans, echo) as writing:
        for block in _blocks(stdin):
            writing.take_all(decoder.decode(block))
        writing.take_all(decoder.finish())
        writing.finish()


def _blocks(stdin: BinaryIO) -> Iterator[bytes]:
    """Yields what has come, in blocks as large as a steady flow fills within a moment.

    So a fast source's rows are decoded many at once, and a slow one's do not wait for more.
    """
    try:
        number = stdin.fileno()
    except OSError:
        while block := stdin.read(_BLOCK_BYTES):
            yield block
        return
    parts: list[bytes] = []
    size = 0
    while part := os.read(number, _BLOCK_BYTES):
        parts.append(part)
        size += len(part)
        is_idle = not select.select([number], [], [], _IDLE_SECONDS)[0]
        if is_idle or size >= _BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def plan_of(
    configured: ConfiguredStream,
    destination: Destination,
    stored: Mapping[StreamDescriptor | None, StoredState],
    *,
    connection: str,
) -> StreamPlan:
    """Returns how one configured stream lands; a mode the destination lacks is a ConfigError."""
    descriptor, facts = configured.descriptor, destination.capabilities
    mode = _mode(configured)
    if mode not in facts.modes:
        raise ConfigError(
            f"The destination cannot write {descriptor} in mode {mode}.",
            remedy=f"Choose one of: {', '.join(sorted(facts.modes))}.",
            stream=descriptor,
        )
    limit = facts.max_identifier_bytes
    columns = columns_of(configured.stream.json_schema)
    names = column_names([column.name for column in columns], limit)
    named = dict(zip((column.name for column in columns), names, strict=True))
    known = stored.get(descriptor)
    last = known.generation_id if known else 0
    given = configured.generation_id
    generation = given if given is not None else last + 1 if mode.is_overwrite else last
    namespace = configured.stream.namespace
    cursor = configured.effective_cursor()
    return StreamPlan(
        connection=connection,
        stream=descriptor,
        table=TableName(
            schema=table_name(namespace, limit) if namespace else None,
            name=table_name(configured.stream.name, limit),
        ),
        columns=tuple(
            ColumnPlan(source=column.name, name=named[column.name], kind=column.kind)
            for column in columns
        ),
        mode=mode,
        primary_key=_key(configured, named) if mode.is_dedup else (),
        cursor=named.get(cursor[0]) if mode.is_dedup and cursor and len(cursor) == 1 else None,
        generation_id=generation,
        sync_id=configured.sync_id or 0,
        fence=known.fence if known else 0,
        resumes=given is not None
        and known is not None
        and given == last
        and known.state is not None
        and not known.is_complete,
    )


def _mode(configured: ConfiguredStream) -> WriteMode:
    mode = _MODES.get(configured.destination_sync_mode)
    if mode is None:
        raise ConfigError(
            f"The mode {configured.destination_sync_mode} of {configured.descriptor} is not one"
            " that a warehouse can write.",
            remedy=f"Choose one of: {', '.join(_MODES)}.",
            stream=configured.descriptor,
        )
    minimum = configured.minimum_generation_id
    if minimum and minimum == configured.generation_id:
        return WriteMode.OVERWRITE_DEDUP if mode.is_dedup else WriteMode.OVERWRITE
    if minimum == 0 and configured.generation_id is not None and mode.is_overwrite:
        return WriteMode.APPEND_DEDUP if mode.is_dedup else WriteMode.APPEND
    return mode


def _key(configured: ConfiguredStream, named: Mapping[str, str]) -> tuple[str, ...]:
    key = configured.effective_primary_key()
    if not key or any(len(path) != 1 or path[0] not in named for path in key):
        raise ConfigError(
            f"The stream {configured.descriptor} is to be deduplicated, but its primary key"
            " is not made of its top-level properties.",
            remedy="Give it a primary key, or choose a mode without deduplication.",
            stream=configured.descriptor,
        )
    return tuple(named[path[0]] for path in key)


def _stored(
    destination: Destination, connection: str
) -> dict[StreamDescriptor | None, StoredState]:
    if not isinstance(destination, StoresState):
        return {}
    return {stored.stream: stored for stored in destination.stored_states(connection)}


class _Writing(AbstractContextManager["_Writing"]):
    """The open writers of one run, and the states that wait for their rows to be durable."""

    def __init__(
        self,
        destination: Destination,
        plans: Mapping[StreamDescriptor, StreamPlan],
        echo: Callable[[State], None],
    ) -> None:
        self._destination = destination
        self._plans = plans
        self._echo = echo
        self._stack = ExitStack()
        self._writers: dict[StreamDescriptor, Writer] = {}
        self._waiting: dict[StreamDescriptor | None, tuple[State, int]] = {}
        self._statuses: dict[StreamDescriptor, StreamStatusKind] = {}
        self._errors: list[ErrorTrace] = []
        self._sent: dict[StreamDescriptor, int] = {}
        self._durable: dict[StreamDescriptor, int] = {}
        self._bytes = 0
        self._committed_at = time.monotonic()

    def __exit__(self, *failure: object) -> bool | None:
        return self._stack.__exit__(*failure)  # type: ignore[arg-type]  # as given to us

    def take_all(self, items: Iterator[Item]) -> None:
        """Takes items in order, committing where it is time to."""
        for item in items:
            self._take(item)
            since = time.monotonic() - self._committed_at
            is_due = self._bytes >= _COMMIT_BYTES or since >= _COMMIT_SECONDS
            if is_due and isinstance(item, Checkpoint):
                self._commit()

    def _take(self, item: Item) -> None:
        match item:
            case Batch() if item.stream in self._plans:
                self._writer(item.stream).write(item.rows)
                self._sent[item.stream] = self._sent.get(item.stream, 0) + item.rows.num_rows
                self._bytes += item.wire_bytes
            case Checkpoint():
                self._wait(item)
            case StatusChange() if item.stream in self._plans:
                self._statuses[item.stream] = item.status
            case ErrorTrace():
                self._errors.append(item)
            case _:
                return

    def _writer(self, stream: StreamDescriptor) -> Writer:
        if stream not in self._writers:
            opened = self._destination.open(self._plans[stream])
            self._writers[stream] = self._stack.enter_context(opened)
        return self._writers[stream]

    def _wait(self, item: Checkpoint) -> None:
        stream = item.state.descriptor if item.state.kind is StateType.STREAM else None
        _, counted = self._waiting.pop(stream, (item.state, 0))
        for claim in item.claims:
            if claim.claimed != claim.counted:
                raise ProofFailed(
                    f"The source says it sent {claim.claimed:g} rows of {stream or 'all streams'}"
                    f" before a state, and {claim.counted} came.",
                    remedy="Run the sync again; it continues from the last state given back.",
                )
            counted += claim.counted
        self._waiting[stream] = (item.state, counted)

    def _commit(self) -> None:
        """Makes durable what the waiting states cover, and gives them back in order."""
        waiting, self._waiting = self._waiting, {}
        for stream, (state, counted) in waiting.items():
            if stream is None:
                for each, writer in self._writers.items():
                    self._prove(each, writer.commit(None))
                if isinstance(self._destination, StoresState):
                    plan = next(iter(self._plans.values()))
                    self._destination.store_global_state(plan.connection, state, plan.fence)
            elif stream in self._plans:
                self._prove(stream, self._writer(stream).commit(state))
            self._give_back(state, counted)
        self._bytes = 0
        self._committed_at = time.monotonic()

    def _prove(self, stream: StreamDescriptor, durable: int) -> None:
        """Holds what the destination counted against what it was sent."""
        total = self._durable.get(stream, 0) + durable
        self._durable[stream] = total
        sent = self._sent.get(stream, 0)
        if total != sent:
            raise ProofFailed(
                f"Of {sent} rows of {stream}, the destination made {total} durable.",
                remedy="Run the sync again; if it happens again, report it.",
                stream=stream,
            )

    def _give_back(self, state: State, counted: int) -> None:
        stats = StateStats(record_count=float(counted))
        self._echo(msgspec.structs.replace(state, destination_stats=stats))

    def finish(self) -> None:
        """Commits the rest, publishes what is complete, and raises if anything is not."""
        self._commit()
        says_nothing = not self._statuses
        complete = [
            stream
            for stream in self._plans
            if says_nothing or self._statuses.get(stream) is StreamStatusKind.COMPLETE
        ]
        if not self._errors:
            for stream in complete:
                self._prove(stream, self._writer(stream).finish(None))
        self._raise_unfinished([stream for stream in self._plans if stream not in complete])

    def _raise_unfinished(self, streams: Sequence[StreamDescriptor]) -> None:
        if self._errors:
            raise ConnectorFailed(
                f"The source reported an error: {self._errors[0].error.message}",
                remedy="Mend what it names, and run the sync again.",
            )
        if streams:
            raise ProofFailed(
                f"The input ended before {', '.join(map(str, streams))} completed.",
                remedy="Run the sync again; it continues from the last state given back.",
            )
