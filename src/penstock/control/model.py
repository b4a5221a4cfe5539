"""What users configure, as frozen values: workspaces, connectors, connections, schedules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class ConnectorKind(StrEnum):
    """Which end of a connection."""

    SOURCE = "source"
    DESTINATION = "destination"


class ConnectionStatus(StrEnum):
    """Whether a connection runs (Airbyte API, `ConnectionStatusEnum`)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    """Switched off, by a person or by penstock; `status_reason` tells which."""
    DEPRECATED = "deprecated"
    """Deleted in Airbyte's words; its runs are still listed."""
    LOCKED = "locked"


class ScheduleKind(StrEnum):
    """What starts a run by itself."""

    MANUAL = "manual"
    INTERVAL = "interval"
    CRON = "cron"
    AFTER = "after"
    """When a run of another connection has succeeded."""


class NamespaceRule(StrEnum):
    """Where tables go (Airbyte API, `NamespaceDefinitionEnum`)."""

    DESTINATION = "destination"
    SOURCE = "source"
    CUSTOM_FORMAT = "custom_format"


class SchemaPolicy(StrEnum):
    """What becomes of a changed source (Airbyte API, `NonBreakingSchemaUpdatesBehaviorEnum`).

    A breaking change pauses the connection whatever the policy.
    """

    IGNORE = "ignore"
    DISABLE_CONNECTION = "disable_connection"
    PROPAGATE_COLUMNS = "propagate_columns"
    PROPAGATE_FULLY = "propagate_fully"


class ModeName(StrEnum):
    """How a stream is read and written (Airbyte API, `ConnectionSyncModeEnum`)."""

    FULL_REFRESH_OVERWRITE = "full_refresh_overwrite"
    FULL_REFRESH_OVERWRITE_DEDUPED = "full_refresh_overwrite_deduped"
    FULL_REFRESH_APPEND = "full_refresh_append"
    FULL_REFRESH_UPDATE = "full_refresh_update"
    FULL_REFRESH_SOFT_DELETE = "full_refresh_soft_delete"
    INCREMENTAL_APPEND = "incremental_append"
    INCREMENTAL_DEDUPED_HISTORY = "incremental_deduped_history"
    INCREMENTAL_UPDATE = "incremental_update"
    INCREMENTAL_SOFT_DELETE = "incremental_soft_delete"

    @property
    def is_incremental(self) -> bool:
        return self.value.startswith("incremental_")

    @property
    def is_deduped(self) -> bool:
        return "_deduped" in self.value

    @property
    def reads(self) -> str:
        """The source's half in the protocol's words."""
        return "incremental" if self.is_incremental else "full_refresh"

    @property
    def writes(self) -> str:
        """The destination's half in the protocol's words."""
        return _WRITES[self]


_WRITES: Final = {
    ModeName.FULL_REFRESH_OVERWRITE: "overwrite",
    ModeName.FULL_REFRESH_OVERWRITE_DEDUPED: "overwrite_dedup",
    ModeName.FULL_REFRESH_APPEND: "append",
    ModeName.FULL_REFRESH_UPDATE: "update",
    ModeName.FULL_REFRESH_SOFT_DELETE: "soft_delete",
    ModeName.INCREMENTAL_APPEND: "append",
    ModeName.INCREMENTAL_DEDUPED_HISTORY: "append_dedup",
    ModeName.INCREMENTAL_UPDATE: "update",
    ModeName.INCREMENTAL_SOFT_DELETE: "soft_delete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Keeps connectors and connections of one team apart from others'."""

    id: str
    name: str
    notifications: dict[str, Any] = field(default_factory=dict)
    """Airbyte's six notification choices, as its API writes them."""
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A connector that can be configured: where it comes from and what settings it takes."""

    id: str
    """Airbyte's own id where Airbyte has the connector; else derived from the name."""
    kind: ConnectorKind
    name: str
    """With its prefix: "source-faker"."""
    title: str
    version: str | None = None
    """None takes the newest, or the native one."""
    docker_repository: str | None = None
    manifest: str | None = None
    """YAML text of a low-code connector."""
    manifest_version: int | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    """How to get it instead: pip_url, executable, image, python, network."""
    documentation_url: str | None = None
    workspace_id: str | None = None
    """Only there; None: everywhere."""
    is_custom: bool = False
    spec: dict[str, Any] | None = None
    """JSON Schema of its configuration; None until it was asked."""
    spec_version: str | None = None
    """The version that was asked for `spec`."""
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One source or destination with its configuration."""

    id: str
    workspace_id: str
    kind: ConnectorKind
    definition_id: str
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    """Secrets are not in it: `{"_secret": id}` stands where one was."""
    managed_by: str | None = None
    """The configuration file that owns it, if one does."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChoice:
    """One chosen stream of a connection: how it is read, written and changed on the way."""

    name: str
    namespace: str | None = None
    mode: ModeName = ModeName.FULL_REFRESH_OVERWRITE
    cursor_field: tuple[str, ...] = ()
    primary_key: tuple[tuple[str, ...], ...] = ()
    selected_fields: tuple[tuple[str, ...], ...] | None = None
    """Paths of the properties to load; None loads all."""
    mappers: tuple[dict[str, Any], ...] = ()
    """Each `{"id", "type", "mapperConfiguration"}`, in order."""
    destination_object_name: str | None = None
    include_files: bool = False

    @property
    def key(self) -> tuple[str | None, str]:
        """The stream's identity within its source."""
        return (self.namespace or None, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a connection, or some streams of it, run by themselves."""

    kind: ScheduleKind = ScheduleKind.MANUAL
    interval_seconds: int | None = None
    """From the beginning of the last run, whatever started it."""
    cron: str | None = None
    """Five fields, or Quartz's six or seven."""
    time_zone: str = "UTC"
    """IANA name; cron fields are wall-clock times there."""
    after: str | None = None
    """Id of the connection whose success starts this one."""
    jitter_seconds: int = 0
    """Starts are spread over so many seconds, each schedule always by the same part of them."""
    streams: tuple[tuple[str | None, str], ...] | None = None
    """(namespace, name) of the streams it runs; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A source, a destination, the streams between, and when they run."""

    id: str
    workspace_id: str
    name: str
    source_id: str
    destination_id: str
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    status_reason: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    stream_schedules: tuple[Schedule, ...] = ()
    """Further schedules, each for some of the streams."""
    streams: tuple[StreamChoice, ...] | None = None
    """None: every stream the source has, full refresh overwrite."""
    namespace_rule: NamespaceRule = NamespaceRule.DESTINATION
    namespace_format: str | None = None
    prefix: str = ""
    schema_policy: SchemaPolicy = SchemaPolicy.IGNORE
    backfills_new_columns: bool = False
    notifies_schema_changes: bool = True
    has_breaking_change: bool = False
    """True from the discovery of one until the connection is changed."""
    priority: int = 0
    """Of waiting runs the largest goes first."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What `penstock run` takes as `settings`: commit_bytes, normalisation …"""
    hooks: tuple[dict[str, Any], ...] = ()
    """What happens after a run, in order."""
    catalog_id: str | None = None
    """The discovered catalogue that `streams` was chosen from."""
    managed_by: str | None = None
    failed_runs_in_row: int = 0
    failing_since: datetime | None = None
    last_succeeded_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A coloured word on connections of a workspace."""

    id: str
    workspace_id: str
    name: str
    color: str
    """Six hexadecimal digits without `#`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredCatalog:
    """What a source said it has, with one configuration at one time."""

    id: str
    connector_id: str
    catalog: dict[str, Any]
    """An `AirbyteCatalog`."""
    digest: str
    """Equal for equal catalogues."""
    config_digest: str
    discovered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """A difference between what a connection uses and what its source has now."""

    id: int = 0
    """Given by the store."""
    connection_id: str
    found_at: datetime
    is_breaking: bool
    is_applied: bool
    changes: tuple[dict[str, Any], ...]
    """Each `{"transform", "stream", "field", "old", "new", "breaking"}`."""


class ChannelKind(StrEnum):
    """How people are told."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    JSON = "json"
    """A document of one's own, to any address."""
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where notifications of a workspace go, and which."""

    id: str
    workspace_id: str
    name: str
    kind: ChannelKind
    config: dict[str, Any]
    """Secrets are not in it: `{"_secret": id}` stands where one was."""
    events: tuple[str, ...]
    """Kinds of events it is told; "*" is every one."""
    is_enabled: bool = True
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedConfig:
    """One object as a configuration file last set it, to tell drift from a changed file."""

    workspace_id: str
    kind: str
    name: str
    document: dict[str, Any]
    applied_at: datetime
