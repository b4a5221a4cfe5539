"""A destination as an Airbyte program: messages in, rows durable, states back out."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import BinaryIO, Final

import msgspec

from penstock.data.decode import MessageDecoder, StreamShape
from penstock.data.items import Batch, Checkpoint, ErrorTrace, Item, StatusChange, ToldState
from penstock.errors import ConfigError, ConnectorFailed, ProofFailed
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.state import State, StateStats
from penstock.sdk.destination import (
    Destination,
    StoredState,
    StoresState,
    StreamPlan,
    WriteMode,
    Writer,
)
from penstock.sdk.landing import columns_for, cursor_column, key_columns, mode_for, table_for

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

    Every state is given back, in order, with the rows since the one before; those that come in
    quick succession share a commit. A stream is published when the input ended well and the
    stream completed, or when the input has no statuses at all. Raises ProofFailed for a stream
    that started and did not complete.
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
            for item in decoder.decode(block):
                writing.take(item)
        for item in decoder.finish():
            writing.take(item)
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
    facts = destination.capabilities
    mode = mode_for(configured, _mode(configured), facts)
    columns = columns_for(configured, facts)
    known = stored.get(configured.descriptor)
    last = known.generation_id if known else 0
    given = configured.generation_id
    return StreamPlan(
        connection=connection,
        stream=configured.descriptor,
        table=table_for(configured.descriptor, facts),
        columns=columns,
        mode=mode,
        primary_key=key_columns(configured, columns) if mode.is_dedup else (),
        cursor=cursor_column(configured, columns) if mode.is_dedup else None,
        generation_id=given if given is not None else last + 1 if mode.is_overwrite else last,
        sync_id=configured.sync_id or 0,
        fence=known.fence if known else 0,
        resumes=_can_resume(configured)
        and given is not None
        and known is not None
        and given == last
        and known.state is not None
        and not known.is_complete,
    )


def _can_resume(configured: ConfiguredStream) -> bool:
    """Tells whether the source continues from the states given back, rather than starting over."""
    is_incremental = configured.sync_mode is SyncMode.INCREMENTAL
    return is_incremental or bool(configured.stream.is_resumable)


def _mode(configured: ConfiguredStream) -> WriteMode:
    mode = _MODES.get(configured.destination_sync_mode)
    if mode is None:
        raise ConfigError(
            f"The mode {configured.destination_sync_mode} of {configured.descriptor} is not one"
            " that a warehouse can write.",
            remedy=f"Choose one of: {', '.join(_MODES)}.",
            stream=configured.descriptor,
        )
    keeps_older = configured.minimum_generation_id == 0 and configured.generation_id is not None
    if keeps_older and mode.is_overwrite:
        return WriteMode.APPEND_DEDUP if mode.is_dedup else WriteMode.APPEND
    return mode


def _stored(
    destination: Destination, connection: str
) -> dict[StreamDescriptor | None, StoredState]:
    if not isinstance(destination, StoresState):
        return {}
    return {stored.stream: stored for stored in destination.stored_states(connection)}


class _Stream:
    """One open writer: what it was sent, what is durable, and the state that waits."""

    def __init__(self, name: StreamDescriptor, writer: Writer) -> None:
        self.name = name
        self.writer = writer
        self._waiting: list[ToldState] = []
        self.is_covered = True
        """False when rows came after the waiting state: a commit would make them durable too."""
        self._sent = 0
        self._durable = 0
        self._bytes = 0
        self._committed_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        since = time.monotonic() - self._committed_at
        return self._bytes >= _COMMIT_BYTES or since >= _COMMIT_SECONDS

    def write(self, batch: Batch) -> None:
        self.writer.write(batch.rows)
        self._sent += batch.rows.num_rows
        self._bytes += batch.wire_bytes
        self.is_covered = False

    @property
    def waiting(self) -> State | None:
        """The newest state that is not durable yet."""
        return self._waiting[-1].state if self._waiting else None

    def wait(self, told: Sequence[ToldState]) -> None:
        self._waiting += told
        self.is_covered = True

    def commit(self, state: State | None) -> None:
        self._prove(self.writer.commit(state))

    def finish(self) -> None:
        self._prove(self.writer.finish(self.waiting))

    def take_waiting(self) -> list[ToldState]:
        """Returns the states that are durable now, each to be given back once."""
        durable, self._waiting = self._waiting, []
        return durable

    def _prove(self, durable: int) -> None:
        """Holds what the destination counted against what it was sent."""
        self._durable += durable
        self._bytes = 0
        self._committed_at = time.monotonic()
        if self._durable != self._sent:
            raise ProofFailed(
                f"Of {self._sent} rows of {self.name}, the destination made"
                f" {self._durable} durable.",
                remedy="Run the sync again; if it happens again, report it.",
                stream=self.name,
            )


class _Writing(AbstractContextManager["_Writing"]):
    """The open writers of one run; leaving by an error rolls back what is not committed."""

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
        self._streams: dict[StreamDescriptor, _Stream] = {}
        self._statuses: dict[StreamDescriptor, StreamStatusKind] = {}
        self._errors: list[ErrorTrace] = []

    def __exit__(self, *failure: object) -> bool | None:
        return self._stack.__exit__(*failure)  # type: ignore[arg-type]  # as given to us

    def take(self, item: Item) -> None:
        """Takes one item, in order; a state commits when enough has come since the last commit."""
        match item:
            case Batch() if item.stream in self._plans:
                self._stream(item.stream).write(item)
            case Checkpoint():
                self._checkpoint(item)
            case StatusChange() if item.stream in self._plans:
                self._statuses[item.stream] = item.status
            case ErrorTrace():
                self._errors.append(item)
            case _:
                return

    def _stream(self, name: StreamDescriptor) -> _Stream:
        if name not in self._streams:
            opened = self._destination.open(self._plans[name])
            self._streams[name] = _Stream(name, self._stack.enter_context(opened))
        return self._streams[name]

    def _checkpoint(self, item: Checkpoint) -> None:
        _prove_claims(item)
        name = item.state.descriptor
        if name is None:
            self._commit_global(item)
        elif name not in self._plans:
            self._give_back(item.told)
        else:
            stream = self._stream(name)
            stream.wait(item.told)
            if stream.is_due:
                self._commit(stream)

    def _commit(self, stream: _Stream) -> None:
        stream.commit(stream.waiting)
        self._give_back(stream.take_waiting())

    def _commit_global(self, item: Checkpoint) -> None:
        """Makes the rows of all streams durable, then the state that covers them."""
        for stream in self._streams.values():
            stream.commit(None)
        if isinstance(self._destination, StoresState):
            plan = next(iter(self._plans.values()))
            self._destination.store_global_state(plan.connection, item.state, plan.fence)
        self._give_back(item.told)

    def _give_back(self, durable: Iterable[ToldState]) -> None:
        for told in durable:
            stats = StateStats(record_count=float(told.rows))
            self._echo(msgspec.structs.replace(told.state, destination_stats=stats))

    def finish(self) -> None:
        """Publishes what is complete, keeps what a state covers, and raises for the rest."""
        says_nothing = not self._statuses
        unfinished = []
        for name in self._plans:
            is_complete = says_nothing or self._statuses.get(name) is StreamStatusKind.COMPLETE
            if is_complete and not self._errors:
                stream = self._stream(name)
                stream.finish()
                self._give_back(stream.take_waiting())
                continue
            unfinished.append(name)
            open_stream = self._streams.get(name)
            if open_stream and open_stream.waiting is not None and open_stream.is_covered:
                self._commit(open_stream)
        self._raise_unfinished(unfinished)

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


def _prove_claims(item: Checkpoint) -> None:
    """Raises ProofFailed where the source counted other rows than came."""
    for claim in item.claims:
        if claim.claimed != claim.counted:
            raise ProofFailed(
                f"The source says it sent {claim.claimed:g} rows of"
                f" {item.state.descriptor or 'all streams'} before a state;"
                f" {claim.counted} came.",
                remedy="Run the sync again; it continues from the last state given back.",
            )
