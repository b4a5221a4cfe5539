"""Where checkpoints are remembered: with the rows where the destination can, else beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from penstock.engine.plan import Stored, StreamTask, is_position, merge_stored
from penstock.engine.state_store import FileStateStore, StateStore, StoredCheckpoint
from penstock.protocol.catalog import StreamDescriptor, SyncMode
from penstock.protocol.state import GlobalState, State, StateType, stream_state
from penstock.sdk.destination import StoresState, Writable


class Remembers(Protocol):
    """Called after a commit returned, and by nothing else."""

    def stream(self, task: StreamTask, state: State | None, *, is_complete: bool) -> None:
        """Remembers that a stream's rows up to `state` are durable."""
        ...

    def shared(self, state: State) -> None:
        """Remembers a global state; every writer it covers has committed."""
        ...


@dataclass(frozen=True, slots=True)
class InDestination:
    """The destination committed the state with the rows already: exactly once."""

    destination: StoresState
    connection: str
    fence: int

    def stream(self, task: StreamTask, state: State | None, *, is_complete: bool) -> None:
        """Does nothing: the writer's transaction held the state."""

    def shared(self, state: State) -> None:
        self.destination.store_global_state(self.connection, state, self.fence)


@dataclass(frozen=True, slots=True)
class Beside:
    """The state is saved after the rows: a crash between the two repeats rows, at least once."""

    store: StateStore
    connection: str
    fence: int

    def stream(self, task: StreamTask, state: State | None, *, is_complete: bool) -> None:
        checkpoint = StoredCheckpoint(
            stream=task.stream,
            state=state,
            generation_id=task.plan.generation_id,
            is_complete=is_complete,
            fence=self.fence,
        )
        self.store.save(self.connection, checkpoint)

    def shared(self, state: State) -> None:
        checkpoint = StoredCheckpoint(stream=None, state=state, fence=self.fence)
        self.store.save(self.connection, checkpoint)


def remembers(
    destination: Writable, store: StateStore, *, connection: str, fence: int
) -> Remembers:
    """Returns where this destination's checkpoints are remembered."""
    if isinstance(destination, StoresState):
        return InDestination(destination, connection, fence)
    return Beside(store, connection, fence)


def load_stored(destination: Writable, store: StateStore, connection: str) -> Stored:
    """Returns all checkpoints of a connection, those set by hand on top."""
    in_destination = (
        destination.stored_states(connection) if isinstance(destination, StoresState) else None
    )
    return merge_stored(in_destination, store.load(connection))


def settle_overrides(
    destination: Writable,
    store: FileStateStore,
    tasks: tuple[StreamTask, ...],
    *,
    connection: str,
    fence: int,
) -> None:
    """Moves states set by hand to where the destination keeps its own, before anything is read.

    From then on they are ordinary checkpoints. A crash in between repeats the move and nothing
    else. For a destination that keeps none, the store itself is the place.
    """
    overrides = [kept for kept in store.load(connection) if kept.is_override]
    by_stream = {task.stream: task for task in tasks}
    place = remembers(destination, store, connection=connection, fence=fence)
    settled: list[StreamDescriptor | None] = []
    for kept in overrides:
        if kept.stream is None:
            place.shared(kept.state or _NO_GLOBAL)
            settled.append(None)
            continue
        task = by_stream.get(kept.stream)
        if task is None:
            continue
        settled.append(kept.stream)
        if task.configured.sync_mode is SyncMode.INCREMENTAL:
            state = kept.state if is_position(kept.state) else _nothing(kept.stream)
            if isinstance(destination, StoresState):
                with destination.open(task.plan) as writer:
                    writer.commit(state)
            else:
                place.stream(task, state, is_complete=False)
    if isinstance(destination, StoresState) and settled:
        store.forget(connection, settled)


_NO_GLOBAL: Final = State(type=StateType.GLOBAL, global_=GlobalState())
"""Stored in the place of a global state that was reset."""


def _nothing(stream: StreamDescriptor) -> State:
    return stream_state(stream, b"{}")
