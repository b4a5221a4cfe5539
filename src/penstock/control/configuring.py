"""Changing what is configured: connectors with their secrets, connections with their schedules."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from penstock.control import amendments, documents, enqueuing, probing
from penstock.control.accounts import AuditEntry
from penstock.control.discovery import error_of
from penstock.control.history import Event, ProbeKind, StreamState
from penstock.control.hooks.documents import SECRETS as HOOK_SECRETS
from penstock.control.hooks.documents import checked
from penstock.control.house import House
from penstock.control.model import (
    Connection,
    ConnectionStatus,
    Connector,
    ConnectorKind,
    Definition,
    Schedule,
    ScheduleKind,
)
from penstock.control.schedule import check_schedule
from penstock.control.secrets import MAPPER_SECRETS, places, unmasked
from penstock.control.store import (
    Transaction,
    audit,
    connections,
    connectors,
    definitions,
    events,
    runs,
    secrets,
    states,
    workspaces,
)
from penstock.errors import ConfigError, ResourceBusy
from penstock.protocol.codec import encode
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State, StateType
from penstock.sdk.config import validate_against_spec


class Configuring:
    """Each method is one transaction; `actor` is who did it, for the timeline."""

    def __init__(self, house: House, *, wake: Callable[[], None]) -> None:
        self._house = house
        self._wake = wake

    def spec_of(self, definition_id: str) -> dict[str, Any]:
        """Returns the JSON Schema of a connector's settings; asks the connector the first time."""
        with self._house.store.read() as tx:
            definition = definitions.get(tx, definition_id)
        wanted = _version_of(definition)
        if definition.spec is not None and definition.spec_version == wanted:
            return definition.spec
        reference = documents.reference_to(definition, {})
        answer = probing.ask(self._house, ProbeKind.SPEC, definition.kind, reference)
        if answer.error is not None:
            raise error_of(answer.error)
        spec: dict[str, Any] = (answer.spec or {}).get("connectionSpecification", {})
        with self._house.store.write() as tx:
            definitions.keep_spec(tx, definition_id, spec, wanted)
        return spec

    def reference(
        self, definition_id: str, config: Mapping[str, Any]
    ) -> tuple[Definition, dict[str, Any]]:
        """Returns a definition, and the reference to it with these settings."""
        with self._house.store.read() as tx:
            definition = definitions.get(tx, definition_id)
        return definition, documents.reference_to(definition, config)

    def unmasked(self, connector_id: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns settings with the kept secrets in place of masks; never to be shown."""
        with self._house.store.read() as tx:
            before = connectors.get(tx, connector_id)
            return self._house.secrets.opened(tx, unmasked(config, before.config))

    def create_connector(
        self,
        *,
        workspace_id: str,
        definition_id: str,
        name: str,
        config: Mapping[str, Any],
        connector_id: str | None = None,
        managed_by: str | None = None,
        actor: str | None = None,
    ) -> Connector:
        """Keeps a source or destination, its secrets encrypted; returns it without them.

        Raises ConfigError when the settings do not fit the connector's specification.
        """
        spec = self.spec_of(definition_id)
        _require_fit(config, spec, name)
        now = self._house.clock()
        with self._house.store.write() as tx:
            workspaces.get(tx, workspace_id)
            definition = definitions.get(tx, definition_id)
            kept = self._house.secrets.split(tx, config, spec, workspace_id=workspace_id, now=now)
            connector = Connector(
                id=connector_id or str(uuid.uuid4()),
                workspace_id=workspace_id,
                kind=definition.kind,
                definition_id=definition_id,
                name=name,
                config=kept,
                managed_by=managed_by,
                created_at=now,
                updated_at=now,
            )
            connectors.create(tx, connector)
            changes = amendments.of_connector(None, connector, spec)
            self._note(tx, "created", connector, actor, changes)
        return connector

    def update_connector(
        self,
        connector_id: str,
        *,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        managed_by: str | None = None,
        actor: str | None = None,
    ) -> Connector:
        """Changes a connector; masked secrets in `config` stay what they are."""
        with self._house.store.read() as tx:
            found = connectors.get(tx, connector_id)
        spec = self.spec_of(found.definition_id)
        now = self._house.clock()
        with self._house.store.write() as tx:
            before = connectors.get(tx, connector_id, for_update=True)
            kept = before.config
            if config is not None:
                kept = self._house.secrets.split(
                    tx,
                    config,
                    spec,
                    workspace_id=before.workspace_id,
                    now=now,
                    before=before.config,
                )
                _require_fit(self._house.secrets.opened(tx, kept), spec, before.name)
                secrets.forget(tx, places(before.config) - places(kept))
            changed = replace(
                before,
                name=name or before.name,
                config=kept,
                managed_by=managed_by or before.managed_by,
                updated_at=now,
            )
            connectors.save(tx, changed)
            changes = amendments.of_connector(before, changed, spec)
            self._note(tx, "updated", changed, actor, changes)
        return changed

    def delete_connector(self, connector_id: str, *, actor: str | None = None) -> None:
        """Removes a connector and its secrets; raises ResourceBusy while connections use it."""
        with self._house.store.write() as tx:
            found = connectors.get(tx, connector_id)
            users = connectors.users_of(tx, connector_id)
            if users:
                raise ResourceBusy(
                    f"{found.name} is used by {len(users)} connection(s).",
                    remedy="Delete these first: " + ", ".join(users[:5]) + ".",
                )
            secrets.forget(tx, places(found.config))
            connectors.delete_(tx, connector_id, now=self._house.clock())
            self._note(tx, "deleted", found, actor)

    def create_connection(
        self, connection: Connection, *, tags: Sequence[str] = (), actor: str | None = None
    ) -> Connection:
        """Keeps a connection and puts it on the schedule; returns it as kept.

        Raises UnknownName for a source or destination there is not, and ConfigError for a
        schedule that cannot be kept, or streams that contradict themselves.
        """
        _check(connection)
        now = self._house.clock()
        kept = replace(connection, created_at=now, updated_at=now)
        with self._house.store.write() as tx:
            _require_ends(tx, kept)
            _require_followed(tx, kept)
            kept = self._without_secrets(tx, kept, None)
            connections.create(tx, kept)
            connections.set_tags(tx, kept.id, tags)
            enqueuing.arrange(tx, kept, now=now, last_started=None)
            changes = amendments.of_connection(None, kept)
            self._note_connection(tx, "connection.created", kept, actor, changes)
        self._wake()
        return kept

    def update_connection(
        self,
        connection_id: str,
        change: Callable[[Connection], Connection],
        *,
        tags: Sequence[str] | None = None,
        actor: str | None = None,
    ) -> Connection:
        """Changes a connection by a function of what it was; returns it as kept.

        A changed choice of streams, or switching it on, takes back the mark of a breaking change;
        the next run looks again. A schedule that stays is not moved.
        """
        now = self._house.clock()
        with self._house.store.write() as tx:
            before = connections.get(tx, connection_id, for_update=True)
            changed = replace(change(before), id=before.id, updated_at=now)
            is_switched_on = (
                changed.status is ConnectionStatus.ACTIVE and before.status is not changed.status
            )
            is_chosen_anew = (changed.streams, changed.catalog_id) != (
                before.streams,
                before.catalog_id,
            )
            if is_switched_on or is_chosen_anew:
                changed = replace(changed, has_breaking_change=False)
            _check(changed)
            _require_ends(tx, changed)
            _require_followed(tx, changed)
            changed = self._without_secrets(tx, changed, before)
            connections.save(tx, changed)
            secrets.forget(tx, _keys_of(before) - _keys_of(changed))
            if tags is not None:
                connections.set_tags(tx, connection_id, tags)
            if _schedule_of(before) != _schedule_of(changed):
                newest = runs.newest_of(tx, [connection_id]).get(connection_id)
                # One of the future was made before the clock was put back.
                last = min(newest.created_at, now) if newest else None
                enqueuing.arrange(tx, changed, now=now, last_started=last)
            changes = amendments.of_connection(before, changed)
            self._note_connection(tx, "connection.updated", changed, actor, changes)
        self._wake()
        return changed

    def delete_connection(self, connection_id: str, *, actor: str | None = None) -> None:
        """Removes a connection; a run of it is cancelled, its tables stay as they are."""
        now = self._house.clock()
        with self._house.store.write() as tx:
            found = connections.get(tx, connection_id)
            active = runs.active_of(tx, connection_id)
            if active is not None:
                runs.request_cancel(tx, active.id, by=actor, now=now)
            connections.delete_(tx, connection_id, now=now)
            secrets.forget(tx, _keys_of(found))
            self._note_connection(tx, "connection.deleted", found, actor)
        self._wake()

    def set_states(
        self, connection_id: str, given: Sequence[State], *, actor: str | None = None
    ) -> None:
        """Sets where the next run begins; streams that are not named keep theirs.

        Raises ResourceBusy while the connection runs: the run would overwrite them.
        """
        now = self._house.clock()
        with self._house.store.write() as tx:
            found = connections.get(tx, connection_id)
            _require_idle(tx, connection_id)
            for state in given:
                states.save(tx, _override(connection_id, state, now))
            self._note_connection(tx, "state.set", found, actor)

    def reset_states(
        self,
        connection_id: str,
        streams: Sequence[tuple[str | None, str]] | None = None,
        *,
        actor: str | None = None,
    ) -> None:
        """Lets the next run read streams, or all, from the beginning; rows stay."""
        now = self._house.clock()
        with self._house.store.write() as tx:
            found = connections.get(tx, connection_id)
            _require_idle(tx, connection_id)
            known = states.of_connection(tx, connection_id)
            wanted = set(streams) if streams is not None else None
            for state in known:
                is_wanted = wanted is None or (state.namespace, state.name) in wanted
                if is_wanted:
                    empty = '{"type":"GLOBAL","global":{"stream_states":[]}}'
                    states.save(
                        tx,
                        replace(
                            state,
                            state="{}" if state.name else empty,
                            is_override=True,
                            updated_at=now,
                        ),
                    )
            self._note_connection(tx, "state.reset", found, actor)

    def _without_secrets(
        self, tx: Transaction, connection: Connection, before: Connection | None
    ) -> Connection:
        """Returns the connection with the secrets of its mappers and hooks encrypted."""
        split = partial(
            self._house.secrets.split_listed,
            tx,
            workspace_id=connection.workspace_id,
            now=connection.updated_at,
        )
        hooks = split(
            name="hooks",
            listed=checked(connection.hooks),
            spec=HOOK_SECRETS,
            before=before.hooks if before else (),
        )
        streams = connection.streams
        if streams is not None:
            known = {each.key: each.mappers for each in (before.streams if before else None) or ()}
            streams = tuple(
                replace(
                    choice,
                    mappers=split(
                        name="mappers",
                        listed=choice.mappers,
                        spec=MAPPER_SECRETS,
                        before=known.get(choice.key, ()),
                    ),
                )
                for choice in streams
            )
        return replace(connection, hooks=hooks, streams=streams)

    def _note(
        self,
        tx: Transaction,
        what: str,
        connector: Connector,
        actor: str | None,
        changes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        kind = f"{connector.kind}.{what}"
        data = {"id": connector.id, "name": connector.name, "changes": list(changes)}
        event = Event(
            at=self._house.clock(),
            kind=kind,
            workspace_id=connector.workspace_id,
            actor=actor,
            data=data,
        )
        events.note(tx, event)
        audit.note(tx, _entry_of(event, connector.kind.value, connector.id))

    def _note_connection(
        self,
        tx: Transaction,
        kind: str,
        connection: Connection,
        actor: str | None,
        changes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        data = {"name": connection.name, "status": connection.status.value}
        event = Event(
            at=self._house.clock(),
            kind=kind,
            workspace_id=connection.workspace_id,
            connection_id=connection.id,
            actor=actor,
            data={**data, "changes": list(changes)},
        )
        events.note(tx, event)
        audit.note(tx, _entry_of(event, "connection", connection.id))


def _entry_of(event: Event, target_kind: str, target_id: str) -> AuditEntry:
    """Returns the audit's entry of a change: the timeline forgets sooner."""
    return AuditEntry(
        at=event.at,
        actor_id=None,
        actor=event.actor or "penstock",
        action=event.kind,
        target_kind=target_kind,
        target_id=target_id,
        workspace_id=event.workspace_id,
        detail=event.data,
    )


def _keys_of(connection: Connection) -> frozenset[str]:
    held = (each.mappers for each in connection.streams or ())
    return frozenset().union(places(connection.hooks), *map(places, held))


def _require_fit(config: Mapping[str, Any], spec: Mapping[str, Any], name: str) -> None:
    """Validates what is not a reference: those are resolved, and judged, where they run."""
    if documents.has_references(config):
        return
    try:
        validate_against_spec(dict(config), ConnectorSpec(connection_specification=dict(spec)))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.message}", remedy=error.remedy) from error


def _check(connection: Connection) -> None:
    for schedule in (connection.schedule, *connection.stream_schedules):
        check_schedule(schedule)
    for choice in connection.streams or ():
        if choice.selected_fields is not None and not choice.selected_fields:
            raise ConfigError(
                f"No field of {choice.name} is selected.",
                remedy="Select one or more, or leave the stream out.",
            )
    keys = [choice.key for choice in connection.streams or ()]
    if len(set(keys)) < len(keys):
        raise ConfigError(
            f"{connection.name} chooses a stream twice.", remedy="Keep one entry a stream."
        )


def _require_ends(tx: Transaction, connection: Connection) -> None:
    source = connectors.get(tx, connection.source_id, ConnectorKind.SOURCE)
    destination = connectors.get(tx, connection.destination_id, ConnectorKind.DESTINATION)
    for end in (source, destination):
        if end.workspace_id != connection.workspace_id:
            raise ConfigError(
                f"{end.name} belongs to another workspace than {connection.name}.",
                remedy="Choose a source and a destination of the connection's workspace.",
            )


def _require_followed(tx: Transaction, connection: Connection) -> None:
    """Raises ConfigError where connections would follow each other in a circle."""
    for schedule in (connection.schedule, *connection.stream_schedules):
        seen = {connection.id}
        following = schedule.after if schedule.kind is ScheduleKind.AFTER else None
        while following is not None:
            if following in seen:
                raise ConfigError(
                    f"{connection.name} would follow itself.",
                    remedy="Break the circle of `after` schedules.",
                )
            seen.add(following)
            other: Schedule = connections.get(tx, following).schedule
            following = other.after if other.kind is ScheduleKind.AFTER else None


def _require_idle(tx: Transaction, connection_id: str) -> None:
    active = runs.active_of(tx, connection_id)
    if active is not None:
        raise ResourceBusy(
            f"Run {active.id} of this connection is {active.status}.",
            remedy="Wait until it ends, or cancel it.",
            run_id=active.id,
        )


def _override(connection_id: str, state: State, now: Any) -> StreamState:
    stream = state.stream if state.kind is StateType.STREAM else None
    if state.kind is StateType.LEGACY:
        raise ConfigError(
            "The state is in Airbyte's legacy form, which says nothing of streams.",
            remedy="Give a STREAM state for each stream, or a GLOBAL one.",
        )
    return StreamState(
        connection_id=connection_id,
        name=stream.stream_descriptor.name if stream else "",
        namespace=stream.stream_descriptor.namespace if stream else None,
        state=bytes(stream.stream_state).decode() if stream else encode(state).decode(),
        is_override=True,
        updated_at=now,
    )


def _schedule_of(connection: Connection) -> tuple[object, ...]:
    return (connection.status, connection.schedule, connection.stream_schedules)


def _version_of(definition: Definition) -> str:
    """Returns what a spec depends on besides the connector's name."""
    return f"{definition.version or 'native'}/{definition.manifest_version or 0}"
