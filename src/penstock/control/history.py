"""What happens, as frozen values: runs, attempts, events, states, notifications sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class RunKind(StrEnum):
    """What a run does (Airbyte API, `JobTypeEnum`)."""

    SYNC = "sync"
    REFRESH = "refresh"
    """Reads streams anew from the beginning; rows of before go (truncate) or stay (merge)."""
    CLEAR = "clear"
    """Empties tables and forgets states."""
    RESET = "reset"
    """`clear` under its older name."""

    @property
    def empties(self) -> bool:
        return self in (RunKind.CLEAR, RunKind.RESET)


class RefreshMode(StrEnum):
    """What becomes of the rows a refresh finds."""

    MERGE = "merge"
    TRUNCATE = "truncate"
    """They go when the stream has been read whole; until then they are visible."""


class Trigger(StrEnum):
    """What asked for a run."""

    MANUAL = "manual"
    API = "api"
    SCHEDULE = "schedule"
    AFTER = "after"
    SCHEMA_CHANGE = "schema_change"


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """An attempt has failed, the next one comes at `not_before` (Airbyte: incomplete)."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_active(self) -> bool:
        return self in ACTIVE


ACTIVE: Final = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)
"""A connection has at most one run in these."""


class AttemptStatus(StrEnum):
    """Where an attempt stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt or run failed: the error's document, and Airbyte's words for it."""

    code: str
    message: str
    remedy: str
    failure_type: str
    """config_error, transient_error, system_error, heartbeat_timeout or manual_cancellation."""
    origin: str = "replication"
    """source, destination, replication or airbyte_platform."""
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One sync (refresh, clear) of a connection, asked for once; it ends exactly once."""

    id: int = 0
    """Given by the store."""
    connection_id: str
    workspace_id: str
    source_id: str
    destination_id: str
    kind: RunKind = RunKind.SYNC
    refresh_mode: RefreshMode | None = None
    streams: tuple[tuple[str | None, str], ...] | None = None
    """(namespace, name) of the streams it is for; None: all of the connection."""
    trigger: Trigger = Trigger.MANUAL
    requested_by: str | None = None
    priority: int = 0
    status: RunStatus = RunStatus.QUEUED
    attempt: int = 0
    """Number of the newest attempt; 0 before the first."""
    fence: int = 0
    """Of the newest attempt; whoever writes with a smaller one is too late."""
    generation_id: int | None = None
    """Generation of the rows a refresh writes; the same in every attempt."""
    is_begun: bool = False
    """True once an attempt had taken its start: what must happen once has happened."""
    not_before: datetime
    lease_owner: str | None = None
    lease_until: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancelled_by: str | None = None
    complete_failures: int = 0
    complete_failures_in_row: int = 0
    partial_failures: int = 0
    partial_failures_in_row: int = 0
    rows_committed: int = 0
    bytes_committed: int = 0
    failure: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    updated_at: datetime
    ended_at: datetime | None = None

    @property
    def engine_id(self) -> str:
        """Names the newest attempt to whatever runs it; submitting it twice is one submission."""
        return f"run-{self.id}-a{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFigures:
    """Where one stream of an attempt stands."""

    name: str
    namespace: str | None = None
    status: str = "waiting"
    """waiting, running, complete, incomplete or failed."""
    rows_read: int = 0
    rows_sent: int = 0
    rows_committed: int = 0
    bytes_read: int = 0
    bytes_committed: int = 0
    estimated_rows: int | None = None
    checkpoints: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a run."""

    run_id: int
    number: int
    fence: int
    owner: str
    """The server that started it."""
    status: AttemptStatus = AttemptStatus.RUNNING
    streams: tuple[StreamFigures, ...] = ()
    rows_committed: int = 0
    bytes_committed: int = 0
    failure: Failure | None = None
    log_name: str
    """Its log's name under the log folder."""
    started_at: datetime
    heard_at: datetime
    """When it last said anything."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """The newest committed position of one stream, as the source wrote it."""

    connection_id: str
    name: str
    """Empty for the global state of a connection."""
    namespace: str | None = None
    state: str
    """JSON text, to the byte: of a stream its own blob, else the whole global state message."""
    generation_id: int = 0
    is_override: bool = False
    """Set by hand; the next run starts from it."""
    run_id: int | None = None
    fence: int = 0
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something people may want to know: the timeline, and what notifications tell."""

    id: int = 0
    """Given by the store; grows."""
    at: datetime
    kind: str
    """As `run.succeeded`, `connection.updated`, `schema.changed`."""
    workspace_id: str | None = None
    connection_id: str | None = None
    run_id: int | None = None
    actor: str | None = None
    """Who did it; None: penstock itself."""
    data: dict[str, Any] = field(default_factory=dict)


class DeliveryStatus(StrEnum):
    """Where one notification stands."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """Given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification on its way to one channel (the outbox)."""

    id: int = 0
    channel_id: str
    event_id: int
    payload: dict[str, Any]
    status: DeliveryStatus = DeliveryStatus.PENDING
    tries: int = 0
    next_at: datetime
    last_error: str | None = None
    created_at: datetime
    sent_at: datetime | None = None


class HookStatus(StrEnum):
    """Where something that happens after a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    """One before it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """One thing that is to happen after one run."""

    id: int = 0
    """Given by the store."""
    run_id: int
    number: int
    """Its place among those of the run, from 1."""
    connection_id: str
    hook: dict[str, Any]
    """As the connection had it when the run ended; its secrets are kept apart."""
    status: HookStatus = HookStatus.PENDING
    owner: str | None = None
    tries: int = 0
    next_at: datetime
    """When it is due; of a running one, when its server is taken to be gone."""
    output: str = ""
    failure: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


class ProbeKind(StrEnum):
    """A quick question to a connector."""

    SPEC = "spec"
    CHECK = "check"
    DISCOVER = "discover"
    PREVIEW = "preview"
    TABLES = "tables"
    ROWS = "rows"
    QUERY = "query"
    EXECUTE = "execute"
    MANIFEST = "manifest"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One check or discovery: asked, running, answered."""

    id: str
    kind: ProbeKind
    connector_id: str | None
    definition_id: str
    status: RunStatus = RunStatus.RUNNING
    failure: Failure | None = None
    catalog_id: str | None = None
    """What a discovery found."""
    started_at: datetime
    ended_at: datetime | None = None
