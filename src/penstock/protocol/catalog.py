"""Streams and catalogues of the Airbyte protocol: what can be read, and what was chosen."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


def required_on_the_wire(default: Any) -> Any:
    """Returns a field that may be missing when read, but is written also with its default.

    The protocol requires it; `omit_defaults` would leave it out (a factory's value it keeps).
    """
    return msgspec.field(default_factory=lambda: default)


PropertyPath = tuple[str, ...]
"""A property, top level first: ("address", "city")."""


class SyncMode(StrEnum):
    """How the source reads (Airbyte protocol, `SyncMode`)."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


class DestinationSyncMode(StrEnum):
    """How the destination writes (Airbyte protocol, `DestinationSyncMode`)."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    APPEND_DEDUP = "append_dedup"
    OVERWRITE_DEDUP = "overwrite_dedup"
    """Not in the protocol's schema, but sent by Airbyte's platform for full refresh + deduped."""
    UPDATE = "update"
    SOFT_DELETE = "soft_delete"


class StreamDescriptor(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """A stream's identity: two streams are one when name and namespace are equal."""

    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class CatalogStream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a source says of one stream (Airbyte protocol, `AirbyteStream`)."""

    name: str
    json_schema: dict[str, Any] = msgspec.field(default_factory=lambda: {})  # noqa: PIE807
    supported_sync_modes: tuple[SyncMode, ...] = required_on_the_wire((SyncMode.FULL_REFRESH,))
    source_defined_cursor: bool | None = None
    default_cursor_field: PropertyPath | None = None
    source_defined_primary_key: tuple[PropertyPath, ...] | None = None
    namespace: str | None = None
    is_resumable: bool | None = None
    is_file_based: bool | None = None

    @property
    def descriptor(self) -> StreamDescriptor:
        return StreamDescriptor(self.name, self.namespace or None)


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """All streams of a source (Airbyte protocol, `AirbyteCatalog`)."""

    streams: tuple[CatalogStream, ...]


class ConfiguredStream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chosen stream with its modes and keys (Airbyte protocol, `ConfiguredAirbyteStream`)."""

    stream: CatalogStream
    sync_mode: SyncMode = required_on_the_wire(SyncMode.FULL_REFRESH)
    destination_sync_mode: DestinationSyncMode = required_on_the_wire(DestinationSyncMode.APPEND)
    cursor_field: PropertyPath | None = None
    primary_key: tuple[PropertyPath, ...] | None = None
    destination_object_name: str | None = None
    generation_id: int | None = None
    minimum_generation_id: int | None = None
    sync_id: int | None = None
    include_files: bool | None = None

    @property
    def descriptor(self) -> StreamDescriptor:
        return self.stream.descriptor

    def effective_cursor(self) -> PropertyPath | None:
        """Returns the cursor by the protocol's order: the user's, else the stream's default."""
        return self.cursor_field or self.stream.default_cursor_field or None

    def effective_primary_key(self) -> tuple[PropertyPath, ...]:
        """Returns the primary key; the source's own definition overrides the user's."""
        return self.stream.source_defined_primary_key or self.primary_key or ()


class ConfiguredCatalog(msgspec.Struct, frozen=True, kw_only=True):
    """The chosen streams of a sync (Airbyte protocol, `ConfiguredAirbyteCatalog`)."""

    streams: tuple[ConfiguredStream, ...]


class DestinationOperation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object a data-activation destination can write (Airbyte protocol 0.17+)."""

    object_name: str
    sync_mode: DestinationSyncMode
    json_schema: dict[str, Any] = msgspec.field(default_factory=lambda: {})  # noqa: PIE807
    matching_keys: tuple[PropertyPath, ...] | None = None


class DestinationCatalog(msgspec.Struct, frozen=True, kw_only=True):
    """What a data-activation destination answers to `discover`."""

    operations: tuple[DestinationOperation, ...]
