"""The tables of the control plane, as SQLAlchemy Core values; `migrations` makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from penstock.control import accounts, history, model
from penstock.control.store.columns import Document, Instant, Named

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(64)
Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only in an INTEGER primary key (which holds 64 bits)."""
AnyDocument: Document[dict[str, Any]] = Document(dict[str, Any])
Streams: Document[tuple[tuple[str | None, str], ...]] = Document(tuple[tuple[str | None, str], ...])
FailureDocument: Document[history.Failure] = Document(history.Failure)


def _id() -> Column[str]:
    return Column("id", Id, primary_key=True)


def _of(
    name: str, target: str, *, is_nullable: bool = False, is_indexed: bool = True
) -> Column[str]:
    return Column(
        name, Id, ForeignKey(f"{target}.id"), nullable=is_nullable, index=is_indexed or None
    )


instance = Table(
    "instance",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", AnyDocument, nullable=False),
)
"""Settings of the whole installation, by name."""

workspaces = Table(
    "workspaces",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("notifications", AnyDocument, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

definitions = Table(
    "definitions",
    metadata,
    _id(),
    Column("kind", Named(model.ConnectorKind), nullable=False),
    Column("name", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("version", Text),
    Column("docker_repository", Text),
    Column("manifest", Text),
    Column("manifest_version", Integer),
    Column("origin", AnyDocument, nullable=False),
    Column("documentation_url", Text),
    _of("workspace_id", "workspaces", is_nullable=True),
    Column("is_custom", Boolean, nullable=False),
    Column("spec", AnyDocument),
    Column("spec_version", Text),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

connectors = Table(
    "connectors",
    metadata,
    _id(),
    _of("workspace_id", "workspaces"),
    Column("kind", Named(model.ConnectorKind), nullable=False),
    _of("definition_id", "definitions"),
    Column("name", Text, nullable=False),
    Column("config", AnyDocument, nullable=False),
    Column("managed_by", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Index("ix_connectors_list", "workspace_id", "kind", "created_at", "id"),
)

secrets = Table(
    "secrets",
    metadata,
    _id(),
    _of("workspace_id", "workspaces"),
    Column("key_id", String(64), nullable=False, index=True),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    _id(),
    _of("workspace_id", "workspaces"),
    Column("name", Text, nullable=False),
    _of("source_id", "connectors"),
    _of("destination_id", "connectors"),
    Column("status", Named(model.ConnectionStatus), nullable=False),
    Column("status_reason", Text),
    Column("schedule", Document(model.Schedule), nullable=False),
    Column("stream_schedules", Document(tuple[model.Schedule, ...]), nullable=False),
    Column("streams", Document(tuple[model.StreamChoice, ...])),
    Column("namespace_rule", Named(model.NamespaceRule), nullable=False),
    Column("namespace_format", Text),
    Column("prefix", Text, nullable=False),
    Column("schema_policy", Named(model.SchemaPolicy), nullable=False),
    Column("backfills_new_columns", Boolean, nullable=False),
    Column("notifies_schema_changes", Boolean, nullable=False),
    Column("has_breaking_change", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("settings", AnyDocument, nullable=False),
    Column("hooks", Document(tuple[dict[str, Any], ...]), nullable=False),
    Column("catalog_id", Id),
    Column("managed_by", Text),
    Column("failed_runs_in_row", Integer, nullable=False),
    Column("failing_since", Instant),
    Column("last_succeeded_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Index("ix_connections_list", "workspace_id", "created_at", "id"),
)

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

tags = Table(
    "tags",
    metadata,
    _id(),
    _of("workspace_id", "workspaces", is_indexed=False),
    Column("name", String(100), nullable=False),
    Column("color", String(16), nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

connection_tags = Table(
    "connection_tags",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id"), primary_key=True),
    Column("tag_id", Id, ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True),
)

catalogs = Table(
    "catalogs",
    metadata,
    _id(),
    _of("connector_id", "connectors", is_indexed=False),
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
    _of("connection_id", "connections"),
    Column("found_at", Instant, nullable=False),
    Column("is_breaking", Boolean, nullable=False),
    Column("is_applied", Boolean, nullable=False),
    Column("changes", Document(tuple[dict[str, Any], ...]), nullable=False),
)

_IS_ACTIVE = text("status IN ('queued', 'running', 'waiting')")

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
    Index("ix_runs_ended", "ended_at"),
    sqlite_autoincrement=True,
)

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
    Column("ended_at", Instant, nullable=False, index=True),
)
"""JSON text as the runner wrote it."""

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
    _id(),
    Column("kind", Named(history.ProbeKind), nullable=False),
    Column("connector_id", Id, index=True),
    Column("definition_id", Id, nullable=False),
    Column("status", Named(history.RunStatus), nullable=False),
    Column("failure", FailureDocument),
    Column("catalog_id", Id),
    Column("started_at", Instant, nullable=False, index=True),
    Column("ended_at", Instant),
)

channels = Table(
    "channels",
    metadata,
    _id(),
    _of("workspace_id", "workspaces"),
    Column("name", Text, nullable=False),
    Column("kind", Named(model.ChannelKind), nullable=False),
    Column("config", AnyDocument, nullable=False),
    Column("events", Document(tuple[str, ...]), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
)

_IS_PENDING = text("status = 'pending'")

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

users = Table(
    "users",
    metadata,
    _id(),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_login_at", Instant),
)

permissions = Table(
    "permissions",
    metadata,
    _id(),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    _of("workspace_id", "workspaces", is_nullable=True),
    Column("role", Named(accounts.Role), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("prefix", String(32), nullable=False),
    Column("scopes", Document(tuple[str, ...]), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

applications = Table(
    "applications",
    metadata,
    _id(),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("client_id", String(64), nullable=False, unique=True),
    Column("secret_hash", String(64), nullable=False),
    Column("secret_id", Id),
    Column("created_at", Instant, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf_token", String(128), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("address", Text),
    Column("user_agent", Text),
)

login_links = Table(
    "login_links",
    metadata,
    Column("link_hash", String(64), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False, index=True),
    Column("actor_id", Id),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("target_kind", String(64), nullable=False),
    Column("target_id", String(128), nullable=False),
    Column("workspace_id", Id, index=True),
    Column("address", Text),
    Column("detail", AnyDocument, nullable=False),
)

idempotent_replies = Table(
    "idempotent_replies",
    metadata,
    Column("actor_id", Id, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("status", Integer),
    Column("body", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

applied_configs = Table(
    "applied_configs",
    metadata,
    Column("workspace_id", Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("document", AnyDocument, nullable=False),
    Column("applied_at", Instant, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    _id(),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False, index=True),
)
"""Running servers; a row that is not renewed is a server that is gone."""
