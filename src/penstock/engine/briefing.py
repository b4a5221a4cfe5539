"""What the two connectors of a sync are told of it: a configured catalogue each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from penstock.engine.plan import StreamTask
from penstock.engine.settings import SyncSettings
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.sdk.destination import WriteMode

_MODES: Final[Mapping[WriteMode, DestinationSyncMode]] = {
    WriteMode.APPEND: DestinationSyncMode.APPEND,
    WriteMode.OVERWRITE: DestinationSyncMode.OVERWRITE,
    WriteMode.APPEND_DEDUP: DestinationSyncMode.APPEND_DEDUP,
    # The protocol has no mode for it: the generations say that older rows go.
    WriteMode.OVERWRITE_DEDUP: DestinationSyncMode.APPEND_DEDUP,
}


def catalog_for_source(tasks: Sequence[StreamTask]) -> ConfiguredCatalog:
    """Returns what the source is told: modes it knows, with generations where it is new to it."""
    return ConfiguredCatalog(streams=tuple(_briefed(task) for task in tasks))


def catalog_for_destination(
    tasks: Sequence[StreamTask], settings: SyncSettings
) -> tuple[ConfiguredCatalog, dict[StreamDescriptor, StreamDescriptor]]:
    """Returns what a destination program is told, and how each stream is called there.

    Prefix and namespace are part of a stream's name there, as Airbyte's platform has it; what is
    made of names in the warehouse is up to the program.
    """
    streams = []
    names = {}
    for task in tasks:
        stream = msgspec.structs.replace(
            task.configured.stream,
            name=settings.prefix + task.stream.name,
            namespace=settings.namespace or task.stream.namespace,
        )
        names[task.stream] = stream.descriptor
        streams.append(
            msgspec.structs.replace(
                _briefed(task), stream=stream, destination_sync_mode=_MODES[task.plan.mode]
            )
        )
    return ConfiguredCatalog(streams=tuple(streams)), names


def _briefed(task: StreamTask) -> ConfiguredStream:
    configured = task.configured
    mode = configured.destination_sync_mode
    return msgspec.structs.replace(
        configured,
        destination_sync_mode=DestinationSyncMode.APPEND_DEDUP
        if mode is DestinationSyncMode.OVERWRITE_DEDUP
        else mode,
        cursor_field=configured.effective_cursor()
        if configured.sync_mode is SyncMode.INCREMENTAL
        else configured.cursor_field,
        primary_key=configured.effective_primary_key() or None,
        generation_id=task.plan.generation_id,
        minimum_generation_id=task.plan.generation_id if task.plan.mode.is_overwrite else 0,
        sync_id=configured.sync_id or 1,
    )
