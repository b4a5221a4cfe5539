"""Connector specifications: the JSON Schema of a configuration, and how to authorise."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.protocol.catalog import DestinationSyncMode


class OAuthConfigSpecification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where OAuth inputs come from and where its outputs go (Airbyte protocol)."""

    oauth_user_input_from_connector_config_specification: dict[str, Any] | None = None
    oauth_connector_input_specification: dict[str, Any] | None = None
    complete_oauth_output_specification: dict[str, Any] | None = None
    complete_oauth_server_input_specification: dict[str, Any] | None = None
    complete_oauth_server_output_specification: dict[str, Any] | None = None


class AdvancedAuth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the connector authorises, and for which value of which field (Airbyte protocol)."""

    auth_flow_type: str | None = None
    predicate_key: tuple[str, ...] | None = None
    predicate_value: str | None = None
    oauth_config_specification: OAuthConfigSpecification | None = None


class ConnectorSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a connector says of its configuration (Airbyte protocol, `ConnectorSpecification`)."""

    connection_specification: dict[str, Any] = msgspec.field(name="connectionSpecification")
    documentation_url: str | None = msgspec.field(name="documentationUrl", default=None)
    changelog_url: str | None = msgspec.field(name="changelogUrl", default=None)
    supports_incremental: bool | None = msgspec.field(name="supportsIncremental", default=None)
    supports_normalization: bool | None = msgspec.field(name="supportsNormalization", default=None)
    supports_dbt: bool | None = msgspec.field(name="supportsDBT", default=None)
    supported_destination_sync_modes: tuple[DestinationSyncMode, ...] | None = None
    auth_specification: dict[str, Any] | None = msgspec.field(
        name="authSpecification", default=None
    )
    advanced_auth: AdvancedAuth | None = None
    protocol_version: str | None = None
