"""Connections: what is read from where to where, when, and where it stands."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from penstock.control.accounts import Role
from penstock.control.enqueuing import Request as RunRequest
from penstock.control.history import RefreshMode, Run, RunKind, Trigger
from penstock.control.model import (
    Connection,
    ConnectionStatus,
    NamespaceRule,
    Schedule,
    SchemaPolicy,
    StreamChoice,
)
from penstock.control.schedule import check_schedule, next_times
from penstock.control.secrets import shown
from penstock.control.store import (
    Transaction,
    connections,
    connectors,
    discoveries,
    due,
    runs,
)
from penstock.errors import ConfigError
from penstock.server.routes.own import own_router
from penstock.server.routes.runs import RunShown, run_shown
from penstock.server.site import ActorNeeded, Site, SiteNeeded, WindowAsked

router = own_router("/connections", tag="connections")


class ConnectionShown(BaseModel):
    """A connection, and where it stands."""

    id: str
    workspace_id: str
    name: str
    source_id: str
    source_name: str
    destination_id: str
    destination_name: str
    status: ConnectionStatus
    status_reason: str | None
    schedule: Schedule
    stream_schedules: list[Schedule]
    next_run_at: datetime | None
    streams: list[StreamChoice] | None
    namespace_rule: NamespaceRule
    namespace_format: str | None
    prefix: str
    schema_policy: SchemaPolicy
    backfills_new_columns: bool
    notifies_schema_changes: bool
    has_breaking_change: bool
    priority: int
    settings: dict[str, Any]
    hooks: list[dict[str, Any]]
    tags: list[str]
    managed_by: str | None
    last_run: RunShown | None
    last_succeeded_at: datetime | None
    failed_runs_in_row: int
    created_at: datetime
    updated_at: datetime


class Connections(BaseModel):
    """A part of the list, the oldest first."""

    items: list[ConnectionShown]
    next: str | None


class ConnectionFields(BaseModel):
    """What can be set of a connection; what is left out keeps its value."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    status: ConnectionStatus | None = None
    schedule: Schedule | None = None
    stream_schedules: list[Schedule] | None = None
    streams: list[StreamChoice] | None = None
    namespace_rule: NamespaceRule | None = None
    namespace_format: str | None = None
    prefix: str | None = None
    schema_policy: SchemaPolicy | None = None
    backfills_new_columns: bool | None = None
    notifies_schema_changes: bool | None = None
    priority: int | None = None
    settings: dict[str, Any] | None = None
    hooks: list[dict[str, Any]] | None = None
    catalog_id: str | None = None
    tags: list[str] | None = None


class NewConnection(ConnectionFields):
    """What a connection is made of; without streams it takes all there are."""

    workspace_id: str
    source_id: str
    destination_id: str
    runs_now: bool = False
    """Starts a first sync at once."""


class NewRun(BaseModel):
    """What is asked of a connection."""

    model_config = ConfigDict(extra="forbid")

    kind: RunKind = RunKind.SYNC
    refresh_mode: RefreshMode | None = None
    streams: list[tuple[str | None, str]] | None = None
    """(namespace, name); without them all that are chosen."""


class Times(BaseModel):
    """When a schedule starts something next."""

    items: list[datetime]


@router.get("")
def list_connections(
    actor: ActorNeeded,
    site: SiteNeeded,
    window: WindowAsked,
    workspace_id: str | None = None,
    q: Annotated[str | None, Query(description="A part of the name.")] = None,
    status: Annotated[list[ConnectionStatus] | None, Query()] = None,
    source_id: Annotated[list[str] | None, Query()] = None,
    destination_id: Annotated[list[str] | None, Query()] = None,
    tag_id: Annotated[list[str] | None, Query()] = None,
) -> Connections:
    """Lists connections with their newest runs."""
    wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in wanted or ():
        actor.require(Role.READER, each)
    chosen = connections.Filter(
        workspace_ids=wanted,
        search=q,
        statuses=status,
        source_ids=source_id,
        destination_ids=destination_id,
        tag_ids=tag_id,
    )
    with site.store.read() as tx:
        found = connections.list_(tx, window, chosen)
        items = _all_shown(tx, found.items)
    return Connections(items=items, next=found.next)


@router.post("", status_code=201)
def create_connection(body: NewConnection, actor: ActorNeeded, site: SiteNeeded) -> ConnectionShown:
    """Makes a connection and puts it on the schedule."""
    actor.require(Role.EDITOR, body.workspace_id)
    with site.store.read() as tx:
        source = connectors.get(tx, body.source_id)
        destination = connectors.get(tx, body.destination_id)
        newest = discoveries.newest_catalog(tx, body.source_id)
    blank = Connection(
        id=str(uuid.uuid4()),
        workspace_id=body.workspace_id,
        name=body.name or f"{source.name} → {destination.name}",
        source_id=body.source_id,
        destination_id=body.destination_id,
        catalog_id=newest.id if newest else None,
        created_at=site.now(),
        updated_at=site.now(),
    )
    made = site.plane.configuring.create_connection(
        _changed(blank, body), tags=body.tags or (), actor=actor.name
    )
    if body.runs_now:
        site.plane.request_run(made.id, RunRequest(requested_by=actor.name))
    return one_shown(site, made.id)


@router.get("/{connection_id}")
def get_connection(connection_id: str, actor: ActorNeeded, site: SiteNeeded) -> ConnectionShown:
    """Returns a connection."""
    seen(site, connection_id, actor, Role.READER)
    return one_shown(site, connection_id)


@router.patch("/{connection_id}")
def change_connection(
    connection_id: str, body: ConnectionFields, actor: ActorNeeded, site: SiteNeeded
) -> ConnectionShown:
    """Changes a connection; what is left out stays."""
    seen(site, connection_id, actor, Role.EDITOR)
    site.plane.configuring.update_connection(
        connection_id,
        lambda connection: _changed(connection, body),
        tags=body.tags,
        actor=actor.name,
    )
    return one_shown(site, connection_id)


@router.delete("/{connection_id}", status_code=204)
def delete_connection(connection_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Removes a connection; its tables stay as they are."""
    seen(site, connection_id, actor, Role.EDITOR)
    site.plane.configuring.delete_connection(connection_id, actor=actor.name)


@router.post("/{connection_id}/runs", status_code=201)
def start_run(connection_id: str, body: NewRun, actor: ActorNeeded, site: SiteNeeded) -> RunShown:
    """Asks for a run; it starts in a moment."""
    found = seen(site, connection_id, actor, Role.RUNNER)
    run = site.plane.request_run(
        connection_id,
        RunRequest(
            kind=body.kind,
            refresh_mode=body.refresh_mode,
            streams=None if body.streams is None else tuple(body.streams),
            trigger=Trigger.API if actor.session is None else Trigger.MANUAL,
            requested_by=actor.name,
        ),
    )
    return run_shown(run, {found.id: found.name})


@router.post("/preview-schedule")
def preview_schedule(body: Schedule, actor: ActorNeeded, site: SiteNeeded) -> Times:
    """Returns the next five starts of a schedule; says what is wrong with one that has none."""
    del actor
    check_schedule(body)
    return Times(items=list(next_times(body, now=site.now())))


def _changed(connection: Connection, body: ConnectionFields) -> Connection:
    given = body.model_fields_set - {"workspace_id", "source_id", "destination_id", "runs_now"}
    nullable = {"streams", "namespace_format", "catalog_id"}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in given - {"tags"}
        if (value := getattr(body, name)) is not None or name in nullable
    }
    if "name" in values and not str(values["name"]).strip():
        raise ConfigError("A connection needs a name.", remedy="Give it one.")
    if values.get("status") is ConnectionStatus.ACTIVE:
        values |= {"status_reason": None, "failed_runs_in_row": 0, "failing_since": None}
    return replace(connection, **values)


def one_shown(site: Site, connection_id: str) -> ConnectionShown:
    """Returns a connection as the API shows it."""
    with site.store.read() as tx:
        return _all_shown(tx, [connections.get(tx, connection_id)])[0]


def _all_shown(tx: Transaction, found: Sequence[Connection]) -> list[ConnectionShown]:
    ids = [each.id for each in found]
    newest: dict[str, Run] = runs.newest_of(tx, ids)
    tagged = connections.tags_of(tx, ids)
    next_at = due.next_of(tx, ids)
    ends = connectors.names_of(tx, {c.source_id for c in found} | {c.destination_id for c in found})
    return [
        ConnectionShown(
            id=each.id,
            workspace_id=each.workspace_id,
            name=each.name,
            source_id=each.source_id,
            source_name=ends[each.source_id],
            destination_id=each.destination_id,
            destination_name=ends[each.destination_id],
            status=each.status,
            status_reason=each.status_reason,
            schedule=each.schedule,
            stream_schedules=list(each.stream_schedules),
            next_run_at=next_at.get(each.id),
            streams=list(each.streams) if each.streams is not None else None,
            namespace_rule=each.namespace_rule,
            namespace_format=each.namespace_format,
            prefix=each.prefix,
            schema_policy=each.schema_policy,
            backfills_new_columns=each.backfills_new_columns,
            notifies_schema_changes=each.notifies_schema_changes,
            has_breaking_change=each.has_breaking_change,
            priority=each.priority,
            settings=each.settings,
            hooks=shown({"hooks": each.hooks}, None)["hooks"],
            tags=[tag.id for tag in tagged.get(each.id, ())],
            managed_by=each.managed_by,
            last_run=run_shown(newest[each.id], {each.id: each.name})
            if each.id in newest
            else None,
            last_succeeded_at=each.last_succeeded_at,
            failed_runs_in_row=each.failed_runs_in_row,
            created_at=each.created_at,
            updated_at=each.updated_at,
        )
        for each in found
    ]


def seen(site: Site, connection_id: str, actor: ActorNeeded, role: Role) -> Connection:
    """Returns a connection; raises AccessDenied unless the actor has the role for it."""
    with site.store.read() as tx:
        found = connections.get(tx, connection_id)
    actor.require(role, found.workspace_id)
    return found
