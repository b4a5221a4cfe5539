"""Clearing streams: what is planned so that their tables are emptied and their states forgotten."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.state import GlobalState, State, StateType


def emptied(catalog: ConfiguredCatalog) -> ConfiguredCatalog:
    """Returns the catalogue with every stream read whole and overwritten, in its generation."""
    return ConfiguredCatalog(streams=tuple(_overwritten(each) for each in catalog.streams))


def without_streams(shared: State, streams: Iterable[StreamDescriptor]) -> State:
    """Returns a global state that knows nothing of these streams.

    When it then knows of none, the shared position is forgotten too: the source starts over.
    """
    held = shared.global_ or GlobalState()
    gone = set(streams)
    kept = tuple(each for each in held.stream_states if each.stream_descriptor not in gone)
    if not kept:
        return State(type=StateType.GLOBAL, global_=GlobalState())
    return State(type=StateType.GLOBAL, global_=msgspec.structs.replace(held, stream_states=kept))


def _overwritten(configured: ConfiguredStream) -> ConfiguredStream:
    modes = tuple(dict.fromkeys((*configured.stream.supported_sync_modes, SyncMode.FULL_REFRESH)))
    return msgspec.structs.replace(
        configured,
        stream=msgspec.structs.replace(configured.stream, supported_sync_modes=modes),
        sync_mode=SyncMode.FULL_REFRESH,
        destination_sync_mode=DestinationSyncMode.OVERWRITE,
    )
