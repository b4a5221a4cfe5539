"""Tables of what happens, and of what is to happen."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from penstock.control import history
from penstock.control.store.columns import Document, Instant, Named
from penstock.control.store.tables.shared import (
    AnyDocument,
    Id,
    Number,
    id_column,
    metadata,
    reference,
)

Streams: Document[tuple[tuple[str | None, str], ...]] = Document(tuple[tuple[str | None, str], ...])
FailureDocument: Document[history.Failure] = Document(history.Failure)

connection_marks = Table(
    "connection_marks",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id"), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("generation_id", BigInteger, nullable=False),
)
"""The largest fence and generation a connection has used; both only grow."""

due = Table(
    "due",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id"), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("next_at", Instant, index=True),
    Column("after_id", Id, index=True),
)
"""What the scheduler looks at: slot 0 is a connection's own schedule, n its nth for streams.

Only active connections have rows; made anew whenever a connection changes.
"""

catalogs = Table(
    "catalogs",
    metadata,
    id_column(),
    reference("connector_id", "connectors", is_indexed=False),
    Column("catalog", AnyDocument, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("config_digest", String(64), nullable=False),
    Column("discovered_at", Instant, nullable=False),
    Index("ix_catalogs_newest", "connector_id", "discovered_at"),
)

schema_changes = Table(
    "schema_changes",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    reference("connection_id", "connections"),
    Column("found_at", Instant, nullable=False),
    Column("is_breaking", Boolean, nullable=False),
    Column("is_applied", Boolean, nullable=False),
    Column("changes", Document(tuple[dict[str, Any], ...]), nullable=False),
)

_ACTIVE = "status IN ('queued', 'running', 'waiting')"
_IS_ACTIVE = text(_ACTIVE)
_HAS_ENDED = text("ended_at IS NOT NULL")

runs = Table(
    "runs",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("connection_id", Id, ForeignKey("connections.id"), nullable=False),
    Column("workspace_id", Id, nullable=False),
    Column("source_id", Id, nullable=False),
    Column("destination_id", Id, nullable=False),
    Column("kind", Named(history.RunKind), nullable=False),
    Column("refresh_mode", Named(history.RefreshMode)),
    Column("streams", Streams),
    Column("trigger", Named(history.Trigger), nullable=False),
    Column("requested_by", Text),
    Column("priority", Integer, nullable=False),
    Column("status", Named(history.RunStatus), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("generation_id", BigInteger),
    Column("is_begun", Boolean, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", Instant),
    Column("cancel_requested_at", Instant),
    Column("cancelled_by", Text),
    Column("complete_failures", Integer, nullable=False),
    Column("complete_failures_in_row", Integer, nullable=False),
    Column("partial_failures", Integer, nullable=False),
    Column("partial_failures_in_row", Integer, nullable=False),
    Column("rows_committed", BigInteger, nullable=False),
    Column("bytes_committed", BigInteger, nullable=False),
    Column("failure", FailureDocument),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(
        "uq_runs_active_connection",
        "connection_id",
        unique=True,
        sqlite_where=_IS_ACTIVE,
        postgresql_where=_IS_ACTIVE,
    ),
    Index(
        "ix_runs_active",
        "status",
        "not_before",
        sqlite_where=_IS_ACTIVE,
        postgresql_where=_IS_ACTIVE,
    ),
    Index("ix_runs_connection", "connection_id", "id"),
    Index("ix_runs_workspace", "workspace_id", "id"),
    Index("ix_runs_created", "created_at", "id"),
    Index("ix_runs_updated", "updated_at", "id"),
    # All that figures by day are made of: counting a month of runs reads none of them.
    Index(
        "ix_runs_ended",
        "ended_at",
        "workspace_id",
        "connection_id",
        "status",
        "started_at",
        "rows_committed",
        "bytes_committed",
        sqlite_where=_HAS_ENDED,
        postgresql_where=_HAS_ENDED,
    ),
    sqlite_autoincrement=True,
)

IS_ACTIVE = text(f"runs.{_ACTIVE}")
"""Says of a run that it is not over, in the words of the index `ix_runs_active`.

SQLite uses a partial index only where a query repeats its condition to the letter, without
parameters (https://sqlite.org/partialindex.html): every look at active runs begins with this, or
reads all runs there ever were.
"""

attempts = Table(
    "attempts",
    metadata,
    Column("run_id", Number, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("status", Named(history.AttemptStatus), nullable=False),
    Column("streams", Document(tuple[history.StreamFigures, ...]), nullable=False),
    Column("rows_committed", BigInteger, nullable=False),
    Column("bytes_committed", BigInteger, nullable=False),
    Column("failure", FailureDocument),
    Column("log_name", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

receipts = Table(
    "receipts",
    metadata,
    Column("run_id", Number, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("receipt", Text, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Index("ix_receipts_age", "ended_at", "size"),
)
"""JSON text as the runner wrote it; its size in bytes."""

stream_states = Table(
    "stream_states",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id"), primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("generation_id", BigInteger, nullable=False),
    Column("is_override", Boolean, nullable=False),
    Column("run_id", BigInteger),
    Column("fence", BigInteger, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
"""Namespace '' is none; name '' is the global state."""

events = Table(
    "events",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("workspace_id", Id),
    Column("connection_id", Id),
    Column("run_id", BigInteger),
    Column("actor", Text),
    Column("data", AnyDocument, nullable=False),
    Index("ix_events_connection", "connection_id", "id"),
    Index("ix_events_workspace", "workspace_id", "id"),
    sqlite_autoincrement=True,
)

probes = Table(
    "probes",
    metadata,
    id_column(),
    Column("kind", Named(history.ProbeKind), nullable=False),
    Column("connector_id", Id, index=True),
    Column("definition_id", Id, nullable=False),
    Column("status", Named(history.RunStatus), nullable=False),
    Column("failure", FailureDocument),
    Column("catalog_id", Id),
    Column("started_at", Instant, nullable=False, index=True),
    Column("ended_at", Instant),
)

_OPEN = "status IN ('pending', 'running')"
_IS_OPEN = text(_OPEN)

hook_runs = Table(
    "hook_runs",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("run_id", Number, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("connection_id", Id, nullable=False),
    Column("hook", AnyDocument, nullable=False),
    Column("status", Named(history.HookStatus), nullable=False),
    Column("owner", String(64)),
    Column("tries", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("output", Text, nullable=False),
    Column("failure", FailureDocument),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Index("ix_hook_runs_run", "run_id", "number", unique=True),
    Index("ix_hook_runs_open", "next_at", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
)

IS_OPEN = text(f"hook_runs.{_OPEN}")
"""Says of a hook that it is not over, as `IS_ACTIVE` says it of runs."""

_PENDING = "status = 'pending'"
_IS_PENDING = text(_PENDING)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("channel_id", Id, ForeignKey("channels.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("payload", AnyDocument, nullable=False),
    Column("status", Named(history.DeliveryStatus), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("last_error", Text),
    Column("created_at", Instant, nullable=False, index=True),
    Column("sent_at", Instant),
    Index(
        "ix_deliveries_pending", "next_at", sqlite_where=_IS_PENDING, postgresql_where=_IS_PENDING
    ),
    Index("ix_deliveries_channel", "channel_id", "id"),
)

IS_PENDING = text(f"deliveries.{_PENDING}")
"""Says of a delivery that it is to be sent, as `IS_ACTIVE` says it of runs."""

servers = Table(
    "servers",
    metadata,
    id_column(),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False, index=True),
)
"""Running servers; a row that is not renewed is a server that is gone."""
