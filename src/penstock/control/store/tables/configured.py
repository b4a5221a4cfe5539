"""Tables of what users configure."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from penstock.control import model
from penstock.control.store.columns import Document, Instant, Named
from penstock.control.store.tables.shared import AnyDocument, Id, id_column, metadata, reference

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
    id_column(),
    Column("name", Text, nullable=False),
    Column("notifications", AnyDocument, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

definitions = Table(
    "definitions",
    metadata,
    id_column(),
    Column("kind", Named(model.ConnectorKind), nullable=False),
    Column("name", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("version", Text),
    Column("docker_repository", Text),
    Column("manifest", Text),
    Column("manifest_version", Integer),
    Column("origin", AnyDocument, nullable=False),
    Column("documentation_url", Text),
    reference("workspace_id", "workspaces", is_nullable=True),
    Column("is_custom", Boolean, nullable=False),
    Column("spec", AnyDocument),
    Column("spec_version", Text),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

connectors = Table(
    "connectors",
    metadata,
    id_column(),
    reference("workspace_id", "workspaces"),
    Column("kind", Named(model.ConnectorKind), nullable=False),
    reference("definition_id", "definitions"),
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
    id_column(),
    reference("workspace_id", "workspaces"),
    Column("key_id", String(64), nullable=False, index=True),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    id_column(),
    reference("workspace_id", "workspaces"),
    Column("name", Text, nullable=False),
    reference("source_id", "connectors"),
    reference("destination_id", "connectors"),
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

tags = Table(
    "tags",
    metadata,
    id_column(),
    reference("workspace_id", "workspaces", is_indexed=False),
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

channels = Table(
    "channels",
    metadata,
    id_column(),
    reference("workspace_id", "workspaces"),
    Column("name", Text, nullable=False),
    Column("kind", Named(model.ChannelKind), nullable=False),
    Column("config", AnyDocument, nullable=False),
    Column("events", Document(tuple[str, ...]), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
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
