"""A reading that follows a script, and short ways to write one: for tests of the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pyarrow as pa

from penstock.data.items import Batch, Checkpoint, Claim, Item, StatusChange
from penstock.engine.events import Event
from penstock.engine.ledger import Ledger, StreamAccount
from penstock.engine.plan import StreamTask, plan_streams, source_states
from penstock.engine.remember import load_stored, remembers, settle_overrides
from penstock.engine.settings import SyncSettings
from penstock.engine.state_store import FileStateStore
from penstock.engine.sync import SyncLoop
from penstock.protocol.catalog import (
    CatalogStream,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.state import GlobalState, State, StateType, StreamState, stream_state
from penstock.sdk.destination import Destination, TableName

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
}


def descriptor(name: str) -> StreamDescriptor:
    return StreamDescriptor(name)


def rows(stream: str, *ids: int, name: str = "n") -> Batch:
    batch = pa.record_batch(
        {
            "id": pa.array(ids, pa.int64()),
            "name": pa.array([f"{name}{n}" for n in ids], pa.string()),
            "_airbyte_extracted_at": pa.array([1_700_000_000_000_000] * len(ids)).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "_airbyte_changes": pa.nulls(len(ids), pa.string()),
        }
    )
    return Batch(stream=descriptor(stream), rows=batch, wire_bytes=100 * len(ids))


def state(stream: str, position: int, *claims: tuple[float, int]) -> Checkpoint:
    blob = b'{"position":%d}' % position
    return Checkpoint(
        state=stream_state(descriptor(stream), blob),
        claims=tuple(Claim(claimed=claimed, counted=counted) for claimed, counted in claims),
    )


def global_state(position: int) -> Checkpoint:
    shared = msgspec.Raw(b'{"lsn":%d}' % position)
    return Checkpoint(state=State(type=StateType.GLOBAL, global_=GlobalState(shared_state=shared)))


def status(stream: str, kind: str) -> StatusChange:
    return StatusChange(stream=descriptor(stream), status=StreamStatusKind(kind))


def started(stream: str) -> StatusChange:
    return status(stream, "STARTED")


def complete(stream: str) -> StatusChange:
    return status(stream, "COMPLETE")


def configured(
    name: str,
    *,
    mode: SyncMode = SyncMode.INCREMENTAL,
    write: DestinationSyncMode = DestinationSyncMode.APPEND,
    **stream: Any,
) -> ConfiguredStream:
    return ConfiguredStream(
        stream=CatalogStream(
            name=name,
            json_schema=SCHEMA,
            supported_sync_modes=(SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL),
            **stream,
        ),
        sync_mode=mode,
        destination_sync_mode=write,
        cursor_field=("id",),
        primary_key=(("id",),),
    )


@dataclass
class ScriptedReading:
    """Yields its script; an exception in it is raised; an event in it is waited for."""

    script: Sequence[Item | Exception | threading.Event]
    stopped: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[Item]:
        for step in self.script:
            if self.stopped.is_set():
                return
            if isinstance(step, Exception):
                raise step
            if isinstance(step, threading.Event):
                while not (step.wait(0.01) or self.stopped.is_set()):
                    pass
                continue
            yield step

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class Rig:
    """A destination, a store beside it, and syncs between."""

    destination: Destination
    store: FileStateStore
    streams: tuple[ConfiguredStream, ...]
    settings: SyncSettings = field(default_factory=SyncSettings)
    resumes_full_refresh: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    events: list[Event] = field(default_factory=list)
    tasks: tuple[StreamTask, ...] = ()
    loop: SyncLoop | None = None

    def plan(self) -> tuple[State, ...]:
        """Plans the next sync and returns the states its source would get."""
        stored = load_stored(self.destination, self.store, "c")
        fence = stored.highest_fence + 1
        self.tasks = plan_streams(
            connection="c",
            streams=self.streams,
            settings=self.settings,
            capabilities=self.destination.capabilities,
            stored=stored,
            resumes_full_refresh=self.resumes_full_refresh,
            fence=fence,
        )
        settle_overrides(self.destination, self.store, self.tasks, connection="c", fence=fence)
        self.loop = SyncLoop(
            tasks=self.tasks,
            destination=self.destination,
            ledger=Ledger(StreamAccount(stream=task.stream) for task in self.tasks),
            settings=self.settings,
            remembers=remembers(self.destination, self.store, connection="c", fence=fence),
            stop=self.stop,
        )
        return source_states(self.tasks, stored)

    def sync(self, *script: Item | Exception | threading.Event) -> list[Event]:
        """Plans and runs one sync of this script; raises what made it fail."""
        self.plan()
        assert self.loop is not None
        self.events = []
        for event in self.loop.events(ScriptedReading(script)):
            self.events.append(event)
        return self.events

    def ids(self, stream: str) -> list[int]:
        """Returns the ids in a stream's table, in order; empty when there is none."""
        table = TableName(schema=None, name=stream)
        if not self.destination.count(table):  # type: ignore[attr-defined]
            return []
        read = self.destination.scan(table).read_all()  # type: ignore[attr-defined]
        return sorted(read.column("id").to_pylist())

    def with_settings(self, **changes: Any) -> Rig:
        return replace(self, settings=msgspec.structs.replace(self.settings, **changes))


def position_of(states: Sequence[State], stream: str) -> bytes | None:
    """Returns the JSON text a source would get for a stream."""
    for given in states:
        if given.descriptor == descriptor(stream) and isinstance(given.stream, StreamState):
            return bytes(given.stream.stream_state)
    return None
