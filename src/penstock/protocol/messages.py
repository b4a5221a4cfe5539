"""The messages connectors exchange, one frozen value for each (Airbyte protocol 0.18)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from penstock.protocol.catalog import (
    Catalog,
    DestinationCatalog,
    StreamDescriptor,
    required_on_the_wire,
)
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State


class MessageType(StrEnum):
    """The `type` of a line."""

    RECORD = "RECORD"
    STATE = "STATE"
    LOG = "LOG"
    SPEC = "SPEC"
    CONNECTION_STATUS = "CONNECTION_STATUS"
    CATALOG = "CATALOG"
    TRACE = "TRACE"
    CONTROL = "CONTROL"
    DESTINATION_CATALOG = "DESTINATION_CATALOG"


class ChangeKind(StrEnum):
    """What became of a value (Airbyte protocol, `meta.changes[].change`)."""

    NULLED = "NULLED"
    TRUNCATED = "TRUNCATED"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is not as the source had it, and why.

    `reason` is one of the protocol's eleven, e.g. DESTINATION_TYPECAST_ERROR.
    """

    field: str
    change: str
    reason: str


class RecordMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes made to a record before it reached penstock."""

    changes: tuple[Change, ...] = ()


class FileReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a file-based source staged beside the record."""

    staging_file_url: str | None = None
    source_file_relative_path: str | None = None
    file_size_bytes: int | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row; `data` is its JSON text, `emitted_at` epoch milliseconds."""

    stream: str
    data: msgspec.Raw
    emitted_at: int | float = required_on_the_wire(0)
    namespace: str | None = None
    meta: RecordMeta | None = None
    file_reference: FileReference | None = None

    @property
    def descriptor(self) -> StreamDescriptor:
        return StreamDescriptor(self.stream, self.namespace or None)


class Log(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One log line; `level` is FATAL, ERROR, WARN, INFO, DEBUG or TRACE."""

    level: str = required_on_the_wire("INFO")
    message: str = required_on_the_wire("")
    stack_trace: str | None = None


class TraceError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A connector's own account of its failure."""

    message: str = required_on_the_wire("")
    internal_message: str | None = None
    stack_trace: str | None = None
    failure_type: str | None = None
    stream_descriptor: StreamDescriptor | None = None


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much a stream (or the sync) will be; `type` is STREAM or SYNC."""

    name: str = required_on_the_wire("")
    type: str = required_on_the_wire("STREAM")
    namespace: str | None = None
    row_estimate: float | None = None
    byte_estimate: float | None = None


class RateLimited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When the quota resets, epoch milliseconds."""

    quota_reset: float | None = None


class StatusReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a stream is in its status; `type` is RATE_LIMITED."""

    type: str
    rate_limited: RateLimited | None = None


class StreamStatusKind(StrEnum):
    """A stream's life: STARTED, RUNNING with its first record, then COMPLETE or INCOMPLETE."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a stream's life."""

    stream_descriptor: StreamDescriptor
    status: StreamStatusKind
    reasons: tuple[StatusReason, ...] | None = None


class Analytics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Usage telemetry of a connector; penstock reads and drops it."""

    type: str
    value: str | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A TRACE line; `type` names which of the four parts is set. `emitted_at` may be a float."""

    type: str
    emitted_at: int | float = required_on_the_wire(0)
    error: TraceError | None = None
    estimate: Estimate | None = None
    stream_status: StreamStatus | None = None
    analytics: Analytics | None = None


class ConnectorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration the connector asks to be kept (single-use refresh tokens)."""

    config: dict[str, Any]


class Control(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CONTROL line; the only `type` is CONNECTOR_CONFIG."""

    type: str
    emitted_at: int | float = required_on_the_wire(0)
    connector_config: ConnectorConfig | None = msgspec.field(name="connectorConfig", default=None)


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to `check`; `status` is SUCCEEDED or FAILED."""

    status: str
    message: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line; the payload named by `type` is set, the others are None."""

    type: MessageType
    record: Record | None = None
    state: State | None = None
    log: Log | None = None
    spec: ConnectorSpec | None = None
    connection_status: ConnectionStatus | None = msgspec.field(
        name="connectionStatus", default=None
    )
    catalog: Catalog | None = None
    trace: Trace | None = None
    control: Control | None = None
    destination_catalog: DestinationCatalog | None = None
