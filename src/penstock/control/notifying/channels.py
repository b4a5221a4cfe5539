"""Channels as they are configured: what each kind takes, and keeping them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from penstock.control.accounts import AuditEntry
from penstock.control.house import House
from penstock.control.model import Channel, ChannelKind
from penstock.control.secrets import places
from penstock.control.store import Transaction, audit, events, secrets, workspaces
from penstock.errors import ConfigError
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import validate_against_spec

EVERY: Final = "*"

EVENT_KINDS: Final[Mapping[str, str]] = {
    "run.queued": "A run was asked for.",
    "run.succeeded": "A run succeeded.",
    "run.failed": "A run failed for good.",
    "run.cancelled": "A run was cancelled.",
    "run.skipped": "A run was due, but the connection could not run.",
    "run.volume": "A sync moved much more or much less than usual.",
    "attempt.failed": "An attempt failed; the run tries again.",
    "schema.changed": "A source has changed.",
    "schema.breaking": "A source has changed so that its connection was paused.",
    "connection.created": "A connection was made.",
    "connection.updated": "A connection was changed.",
    "connection.deleted": "A connection was deleted.",
    "connection.disable_warning": "A connection fails again and again, and will be switched off.",
    "connection.disabled": "A connection was switched off because it kept failing.",
    "hook.failed": "What was to happen after a run failed.",
    "hook.succeeded": "What was to happen after a run succeeded.",
    "source.created": "A source was made.",
    "source.updated": "A source was changed.",
    "source.deleted": "A source was deleted.",
    "destination.created": "A destination was made.",
    "destination.updated": "A destination was changed.",
    "destination.deleted": "A destination was deleted.",
    "state.set": "Where a connection continues was set by hand.",
    "state.reset": "A connection begins again from the start.",
}

_URL: Final = {"type": "string", "pattern": "^https?://[^\\s]+$", "title": "Address"}
_HEADERS: Final = {
    "type": "array",
    "title": "Headers",
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "properties": {
            "name": {"type": "string", "pattern": "^[A-Za-z0-9-]+$", "title": "Name"},
            "value": {"type": "string", "airbyte_secret": True, "title": "Value"},
        },
    },
}
SPECS: Final[Mapping[ChannelKind, dict[str, Any]]] = {
    ChannelKind.WEBHOOK: {
        "type": "object",
        "title": "Signed webhook",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            "url": {**_URL, "description": "Gets each event as JSON by POST.", "order": 0},
            "secret": {
                "type": "string",
                "title": "Signing secret",
                "description": "Signs each message (Standard Webhooks): whsec_ and"
                " base64, or any text.",
                "airbyte_secret": True,
                "minLength": 8,
                "order": 1,
            },
        },
    },
    ChannelKind.SLACK: {
        "type": "object",
        "title": "Slack",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            "url": {
                **_URL,
                "title": "Incoming webhook",
                "description": "https://hooks.slack.com/services/…",
                "airbyte_secret": True,
            }
        },
    },
    ChannelKind.JSON: {
        "type": "object",
        "title": "JSON to any address",
        "required": ["url", "body"],
        "additionalProperties": False,
        "properties": {
            "url": {**_URL, "airbyte_secret": True, "order": 0},
            "body": {
                "type": "string",
                "title": "Body",
                "description": "JSON; ${text}, ${kind}, ${connection}, ${link}, ${error} and"
                " ${event} (all of it) stand for what happened.",
                "default": '{"text": "${text}"}',
                "multiline": True,
                "order": 1,
            },
            "headers": {**_HEADERS, "order": 2},
        },
    },
    ChannelKind.EMAIL: {
        "type": "object",
        "title": "E-mail",
        "required": ["host", "sender", "recipients"],
        "additionalProperties": False,
        "properties": {
            "host": {"type": "string", "title": "SMTP server", "order": 0},
            "port": {
                "type": "integer",
                "minimum": 1,
                "maximum": 65535,
                "default": 587,
                "title": "Port",
                "order": 1,
            },
            "security": {
                "type": "string",
                "enum": ["starttls", "tls", "none"],
                "default": "starttls",
                "title": "Encryption",
                "order": 2,
            },
            "username": {"type": "string", "title": "User name", "order": 3},
            "password": {
                "type": "string",
                "airbyte_secret": True,
                "title": "Password",
                "order": 4,
            },
            "sender": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$", "title": "From"},
            "recipients": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"},
                "title": "To",
            },
        },
    },
}
"""JSON Schema of each kind's settings, from which forms are made."""


class Channels:
    """Each method is one transaction with its audit entry; `actor` is who did it."""

    def __init__(self, house: House) -> None:
        self._house = house

    def create(
        self,
        *,
        workspace_id: str,
        name: str,
        kind: ChannelKind,
        config: Mapping[str, Any],
        kinds: tuple[str, ...],
        is_enabled: bool = True,
        actor: str | None = None,
    ) -> Channel:
        """Keeps a channel, its secrets encrypted; raises ConfigError for settings that do not fit.

        `kinds` are the events it is told; "*" is every one.
        """
        _require_fit(kind, config, name)
        now = self._house.clock()
        with self._house.store.write() as tx:
            workspaces.get(tx, workspace_id)
            kept = self._house.secrets.split(
                tx, config, SPECS[kind], workspace_id=workspace_id, now=now
            )
            channel = Channel(
                id=str(uuid.uuid4()),
                workspace_id=workspace_id,
                name=_named(name),
                kind=kind,
                config=kept,
                events=_known(kinds),
                is_enabled=is_enabled,
                created_at=now,
            )
            events.create_channel(tx, channel)
            self._note(tx, "channel.created", channel, actor)
        return channel

    def update(
        self,
        channel_id: str,
        *,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        kinds: tuple[str, ...] | None = None,
        is_enabled: bool | None = None,
        actor: str | None = None,
    ) -> Channel:
        """Changes a channel; masked secrets in `config` stay what they are."""
        now = self._house.clock()
        with self._house.store.write() as tx:
            before = events.channel(tx, channel_id)
            kept = before.config
            if config is not None:
                spec = SPECS[before.kind]
                kept = self._house.secrets.split(
                    tx,
                    config,
                    spec,
                    workspace_id=before.workspace_id,
                    now=now,
                    before=before.config,
                )
                _require_fit(before.kind, self._house.secrets.opened(tx, kept), before.name)
                secrets.forget(tx, places(before.config) - places(kept))
            changed = replace(
                before,
                name=before.name if name is None else _named(name),
                config=kept,
                events=before.events if kinds is None else _known(kinds),
                is_enabled=before.is_enabled if is_enabled is None else is_enabled,
            )
            events.save_channel(tx, changed)
            self._note(tx, "channel.updated", changed, actor)
        return changed

    def delete(self, channel_id: str, *, actor: str | None = None) -> None:
        """Removes a channel, its secrets, and what is on its way to it."""
        with self._house.store.write() as tx:
            found = events.channel(tx, channel_id)
            secrets.forget(tx, places(found.config))
            events.delete_channel(tx, channel_id)
            self._note(tx, "channel.deleted", found, actor)

    def opened(self, tx: Transaction, channel: Channel) -> dict[str, Any]:
        """Returns a channel's settings with its secrets in place: for a sender, not to be shown."""
        return self._house.secrets.opened(tx, channel.config)

    def _note(self, tx: Transaction, action: str, channel: Channel, actor: str | None) -> None:
        entry = AuditEntry(
            at=self._house.clock(),
            actor_id=None,
            actor=actor or "penstock",
            action=action,
            target_kind="channel",
            target_id=channel.id,
            workspace_id=channel.workspace_id,
            detail={
                "name": channel.name,
                "kind": channel.kind.value,
                "events": list(channel.events),
                "is_enabled": channel.is_enabled,
            },
        )
        audit.note(tx, entry)


def _require_fit(kind: ChannelKind, config: Mapping[str, Any], name: str) -> None:
    try:
        validate_against_spec(dict(config), ConnectorSpec(connection_specification=SPECS[kind]))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.message}", remedy=error.remedy) from error


def _named(name: str) -> str:
    if not name.strip():
        raise ConfigError("A channel needs a name.", remedy="Give it one.")
    return name.strip()


def _known(kinds: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [kind for kind in kinds if kind != EVERY and kind not in EVENT_KINDS]
    if unknown or not kinds:
        raise ConfigError(
            f"There is no event {', '.join(unknown)}." if unknown else "No event is chosen.",
            remedy=f'Choose among: {", ".join(EVENT_KINDS)}; or "*" for every one.',
        )
    return tuple(dict.fromkeys(kinds))
