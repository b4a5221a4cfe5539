"""State: the source's opaque position, per stream, global, or in the legacy form."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from penstock.protocol.catalog import StreamDescriptor, required_on_the_wire

Blob = msgspec.Raw
"""Opaque JSON text of the source: kept to the byte, read and edited by nobody else."""

NO_BLOB: Final = msgspec.Raw(b"null")
"""Stands for an absent blob, and is left out when written."""


class StateType(StrEnum):
    """Absent on the wire means LEGACY (Airbyte protocol, `AirbyteStateType`)."""

    STREAM = "STREAM"
    GLOBAL = "GLOBAL"
    LEGACY = "LEGACY"


class StateStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record counts since the previous state of the same stream; whole numbers sent as floats."""

    record_count: float | None = msgspec.field(name="recordCount", default=None)
    rejected_record_count: float | None = msgspec.field(name="rejectedRecordCount", default=None)


class StreamState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stream's position."""

    stream_descriptor: StreamDescriptor
    stream_state: Blob = NO_BLOB


class GlobalState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A position shared by streams (CDC), with each stream's own."""

    shared_state: Blob = NO_BLOB
    stream_states: tuple[StreamState, ...] = required_on_the_wire(())


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One STATE message (Airbyte protocol, `AirbyteStateMessage`)."""

    type: StateType | None = None
    stream: StreamState | None = None
    global_: GlobalState | None = msgspec.field(name="global", default=None)
    data: Blob = NO_BLOB
    source_stats: StateStats | None = msgspec.field(name="sourceStats", default=None)
    destination_stats: StateStats | None = msgspec.field(name="destinationStats", default=None)

    @property
    def kind(self) -> StateType:
        return self.type or StateType.LEGACY

    @property
    def is_whole(self) -> bool:
        """True when the part that its kind names is there."""
        match self.kind:
            case StateType.STREAM:
                return self.stream is not None
            case StateType.GLOBAL:
                return self.global_ is not None
            case StateType.LEGACY:
                return self.data != NO_BLOB

    @property
    def descriptor(self) -> StreamDescriptor | None:
        """The stream this state covers; None for global and legacy states, which cover all."""
        return (
            self.stream.stream_descriptor if self.kind is StateType.STREAM and self.stream else None
        )


def stream_state(descriptor: StreamDescriptor, blob: bytes) -> State:
    """Returns a STREAM state message around a source's JSON text."""
    inner = StreamState(stream_descriptor=descriptor, stream_state=msgspec.Raw(blob))
    return State(type=StateType.STREAM, stream=inner)


def without_stats(state: State) -> State:
    """Returns the state as it is kept: what was counted belongs to one transfer of it."""
    return msgspec.structs.replace(state, source_stats=None, destination_stats=None)
