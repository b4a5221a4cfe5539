"""What comes out of a runner: rows, checkpoints and a connector's own words, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.messages import Estimate, StreamStatusKind, TraceError
from penstock.protocol.state import State

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of one stream, in the shape `penstock.sdk.destination.Writer` takes."""

    stream: StreamDescriptor
    rows: pa.RecordBatch
    wire_bytes: int
    """Bytes these rows had on their way in, for throughput figures and buffer limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a source said of one state (`sourceStats.recordCount`), beside what was counted."""

    claimed: float
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldState:
    """A state as a program told it, and how many records came since the one before."""

    state: State
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A state that covers every batch (of its stream, or of all for a global one) before it.

    States that newer ones of the same stream superseded without a batch between are no
    checkpoints of their own; their claims are kept, each to be proved.
    """

    state: State
    claims: tuple[Claim, ...] = ()
    told: tuple[ToldState, ...] = ()
    """The superseded states and this one, in order, where a program told them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A step in a stream's life."""

    stream: StreamDescriptor
    status: StreamStatusKind
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartsAnew:
    """A stream that was to be continued begins again; nothing of it came before in this sync."""

    stream: StreamDescriptor
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a connector's log; `origin` is "source" or "destination"."""

    level: str
    message: str
    origin: str = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTrace:
    """A connector's own account of a failure: the sync cannot succeed any more."""

    error: TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """A configuration the connector asks to be kept; it may hold secrets."""

    config: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateChange:
    """How much is to come, for progress bars."""

    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeclared:
    """Properties seen in records but not declared in the stream's schema: they are not loaded."""

    stream: StreamDescriptor
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """A stream's table was emptied at the source (TRUNCATE): rows that came before are gone."""

    stream: StreamDescriptor


Item = (
    Batch
    | Checkpoint
    | StatusChange
    | StartsAnew
    | LogLine
    | ErrorTrace
    | ConfigChange
    | EstimateChange
    | Undeclared
    | Emptied
)
