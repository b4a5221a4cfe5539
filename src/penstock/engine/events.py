"""What a running sync tells: JSON-line events, the last of them the receipt."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.protocol.catalog import Catalog, StreamDescriptor
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State


class Event(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=True, omit_defaults=True
):
    """Any event; `event` on the wire is its class name."""


class SyncStarted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The plan stands, the connectors are up. `states` tells which streams continue."""

    run_id: str
    connection: str
    source: str
    destination: str
    streams: tuple[StreamDescriptor, ...]
    continuing: tuple[StreamDescriptor, ...] = ()
    started_at: str = ""


class StreamProgress(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Rows and bytes of one stream so far; at most a few times a second each."""

    stream: StreamDescriptor
    rows_read: int
    rows_sent: int
    rows_committed: int
    bytes_read: int
    estimated_rows: int | None = None
    status: str = "running"
    """waiting, running, complete, incomplete or failed."""


class CheckpointCommitted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Rows and the state that covers them are durable. `stream` None: a global state."""

    stream: StreamDescriptor | None
    rows: int
    bytes: int
    seconds: float
    state: State | None = None
    """What the source gets when it continues from here; None: rows without a state of their own."""
    generation_id: int = 0


class LogEmitted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a connector's or penstock's own log."""

    level: str
    message: str
    origin: str = "source"


class ConfigChanged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The source asks that this configuration be kept from now on; it may hold secrets."""

    origin: str
    config: dict[str, Any]


class ColumnFound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column of rows looked at."""

    name: str
    type: str
    """Arrow's name of it."""


class RowsFound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows as JSON that no client can round; see `penstock.data.plain`."""

    columns: tuple[ColumnFound, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool = False
    """True when there are more."""
    values_cut: int = 0
    """Texts too long to be shown whole."""


class TableFound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a table of a destination holds."""

    name: str
    namespace: str | None = None
    exists: bool | None = None
    """None when the destination cannot tell an empty table from none."""
    rows: int = 0
    newest_at: str | None = None
    """When its newest row was read from the source; None: not known, or no row."""
    error: dict[str, Any] | None = None
    """Why this one could not be looked at."""


class DestinationFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a destination can do, told with its specification."""

    max_identifier_bytes: int
    exactly_once: bool
    modes: tuple[str, ...]
    reads_back: bool = False
    confines_sql: bool = False
    """It runs SQL of somebody who may only look."""
    runs_sql: bool = False


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent, its secrets masked."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None


class TrialResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, its secrets masked and a long body cut."""

    status: int
    headers: dict[str, str]
    body: str | None


class TrialPage(msgspec.Struct, frozen=True, kw_only=True):
    """One request, its response, and what was taken out of it."""

    request: TrialRequest | None
    response: TrialResponse | None
    records: tuple[str, ...]
    """Each as JSON text: nobody on the way rounds its numbers."""


class TrialSlice(msgspec.Struct, frozen=True, kw_only=True):
    """One part that a stream is read in."""

    pages: tuple[TrialPage, ...]
    slice: str | None
    """Which part, as JSON text."""
    state: str | None
    """Where a sync would continue after it, as JSON text."""


class TrialLine(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of it, in the words of whoever read."""

    level: str
    message: str


class TrialFound(msgspec.Struct, frozen=True, kw_only=True):
    """What reading one stream of a manifest asked for and got."""

    slices: tuple[TrialSlice, ...]
    lines: tuple[TrialLine, ...]
    is_cut: bool
    """There is more than was asked for."""
    texts_cut: int
    """How many texts were too long to be told whole."""
    inferred_schema: dict[str, Any] | None
    """A JSON Schema that fits the records that came."""


class ProbeFinished(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The last event of every probe: what the connector answered, or why it did not."""

    outcome: str
    """succeeded or failed."""
    spec: ConnectorSpec | None = None
    catalog: Catalog | None = None
    error: dict[str, Any] | None = None
    rows: RowsFound | None = None
    tables: tuple[TableFound, ...] | None = None
    facts: DestinationFacts | None = None
    streams: tuple[str, ...] | None = None
    """Names of a manifest's streams."""
    trial: TrialFound | None = None
    description: str = ""
    """How the connector runs: "airbyte-source-faker 7.2.1 in ~/.cache/…"."""


class StreamReceipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The proof for one stream: read = sent = committed."""

    stream: StreamDescriptor
    table: str
    status: str
    """complete, incomplete or failed."""
    mode: str
    rows_read: int = 0
    rows_filtered: int = 0
    """Rows left out by the filters of this sync: read = filtered + sent."""
    rows_sent: int = 0
    rows_committed: int = 0
    rows_claimed: int | None = None
    """What the source itself counted (`sourceStats`); None where it does not say."""
    bytes_read: int = 0
    checkpoints: int = 0
    values_changed: int = 0
    """Entries in `_airbyte_meta.changes`: values nulled or truncated because they did not fit."""
    undeclared: tuple[str, ...] = ()
    """Properties that records had and the schema does not declare; they were not loaded."""
    first_cursor: str | None = None
    last_cursor: str | None = None
    columns: dict[str, str] = {}
    state_before: msgspec.Raw = msgspec.Raw(b"null")
    state_after: msgspec.Raw = msgspec.Raw(b"null")
    generation_id: int = 0
    seconds: float = 0.0


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one sync did, proved or not; kept for `penstock receipt`."""

    run_id: str
    connection: str
    source: str
    destination: str
    outcome: str
    """succeeded, failed or cancelled."""
    started_at: str
    ended_at: str
    seconds: float
    streams: tuple[StreamReceipt, ...] = ()
    error: dict[str, Any] | None = None
    penstock_version: str = ""

    @property
    def rows_committed(self) -> int:
        return sum(stream.rows_committed for stream in self.streams)

    @property
    def is_proved(self) -> bool:
        """True when the sync succeeded: every stream's rows read, sent and committed agree."""
        return self.outcome == "succeeded"


class SyncFinished(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The last event of every sync, also of a failed one."""

    receipt: Receipt


def encode_event(event: Event) -> bytes:
    """Returns the event as one JSON line, without the newline."""
    return msgspec.json.encode(event)


AnyEvent = (
    SyncStarted
    | StreamProgress
    | CheckpointCommitted
    | LogEmitted
    | ConfigChanged
    | ProbeFinished
    | SyncFinished
)


def decode_event(line: bytes) -> AnyEvent:
    """Returns the event on one line, as another penstock process wrote it."""
    event: AnyEvent = msgspec.json.decode(line, type=AnyEvent)
    return event
