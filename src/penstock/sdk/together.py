"""Streams that share one position: a database's log is read once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from penstock.data.items import Emptied
from penstock.protocol.catalog import StreamDescriptor

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one of the streams."""

    stream: StreamDescriptor
    rows: pa.RecordBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """A position of all streams. It covers everything the same iterator yielded before it."""

    value: Mapping[str, Any]
    streams: Mapping[StreamDescriptor, Mapping[str, Any]]
    """What is to be known of single streams: those missing here begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line for the log of the sync: `level` is INFO or WARN."""

    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRequest:
    """What the engine asks of the streams in one sync."""

    streams: Sequence[StreamDescriptor]
    state: SharedState | None
    """The last committed one; None starts from the beginning."""


@runtime_checkable
class ReadsTogether(Protocol):
    """Optional power of a source: its incremental streams are read in one go.

    Their states are GLOBAL ones (Airbyte protocol, `AirbyteGlobalState`): every destination table
    has committed before such a state is kept. A full refresh still reads stream by stream.
    """

    @property
    def reads_together(self) -> bool:
        """True when it is configured to: a source may have both ways."""
        ...

    def read_together(
        self, request: SharedRequest
    ) -> Iterator[Rows | SharedState | Said | Emptied]:
        """Yields rows and states in order; the order is the contract, as in `Stream.read`.

        The state of the request is committed: what was kept at the source only for an older one
        may be let go.
        """
        ...
