"""What a stream is to the engine: a name, a schema, and one iterator of data and states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from penstock.protocol.catalog import CatalogStream, PropertyPath, StreamDescriptor, SyncMode

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.json_rows import JsonRows


@dataclass(frozen=True, slots=True)
class State:
    """A position in a stream. It covers everything the same iterator yielded before it.

    `value` is any JSON object; only this stream reads it back.
    """

    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """What the engine asks of one stream in one sync."""

    mode: SyncMode
    state: Mapping[str, Any] | None = None
    """The last committed State.value; None starts from the beginning."""
    cursor: PropertyPath | None = None
    """The cursor the user chose; None leaves it to the stream."""
    fields: tuple[str, ...] | None = None
    """The top-level properties wanted; None wants all. Leaving others out is optional."""
    takes_json: bool = False
    """Whether pages may be JsonRows, too: what reads in full speed takes them."""


class Stream(Protocol):
    """One stream of a source. Nothing has to be inherited; a dataclass with these will do."""

    @property
    def name(self) -> str: ...

    @property
    def namespace(self) -> str | None: ...

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """JSON Schema of a record, with Airbyte's types; see `penstock.data.types`."""
        ...

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]: ...

    @property
    def cursor(self) -> PropertyPath | None:
        """The cursor the stream itself defines; None when there is none or the user chooses."""
        ...

    @property
    def modes(self) -> tuple[SyncMode, ...]: ...

    @property
    def is_resumable(self) -> bool:
        """True when a full refresh, too, can continue from a State it yielded."""
        ...

    def read(
        self, request: ReadRequest
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | JsonRows | State]:
        """Yields rows and states in order; the order is the contract.

        Rows are pages of dicts, Arrow batches whose columns are property names, or (where the
        request takes them) JSON texts as an API sent them. A yielded State covers everything
        yielded before it. Called once a sync, on a thread of its own; the iterator is closed
        early when the sync stops. Raise ConfigError, AccessDenied, TransientError or DataError
        for what the user can act on.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One independent part of a stream, read by any worker."""

    id: str
    bounds: Mapping[str, Any]
    estimated_rows: int | None = None


@runtime_checkable
class Partitioned(Protocol):
    """Optional power of a stream: it can be read in parts, side by side."""

    def plan(self, request: ReadRequest) -> Sequence[Partition]:
        """Returns parts that together are the stream; fixed before the first is read."""
        ...

    def read_partition(
        self, partition: Partition
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | JsonRows]:
        """Yields the rows of one part; may be repeated from its start."""
        ...


@runtime_checkable
class TracksChanges(Protocol):
    """Optional power: an incremental read needs no cursor, since the other side keeps account.

    A database knows rows by transaction or writes a log. The user may choose a cursor all the
    same where the stream names none of its own.
    """

    @property
    def tracks_changes(self) -> bool: ...


def catalog_stream(stream: Stream) -> CatalogStream:
    """Returns a stream as the catalogue shows it."""
    incremental = SyncMode.INCREMENTAL in stream.modes
    tracks = isinstance(stream, TracksChanges) and stream.tracks_changes
    return CatalogStream(
        name=stream.name,
        namespace=stream.namespace,
        json_schema=dict(stream.json_schema),
        supported_sync_modes=tuple(stream.modes),
        source_defined_cursor=bool(incremental and (stream.cursor or tracks)) or None,
        default_cursor_field=stream.cursor if incremental else None,
        source_defined_primary_key=stream.primary_key or None,
        is_resumable=stream.is_resumable or incremental or None,
    )


def descriptor_of(stream: Stream) -> StreamDescriptor:
    """Returns the identity of a stream."""
    return StreamDescriptor(stream.name, stream.namespace or None)
