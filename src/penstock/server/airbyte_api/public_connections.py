"""Airbyte's public API: connections and jobs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import Field

from penstock.control.access import Actor
from penstock.control.accounts import Role
from penstock.control.enqueuing import Request as RunRequest
from penstock.control.history import Run, RunKind, Trigger
from penstock.control.model import Connection, ConnectionStatus, NamespaceRule, SchemaPolicy
from penstock.control.store import Transaction, connections, connectors, discoveries, runs
from penstock.errors import ConfigError
from penstock.server.airbyte_api import words
from penstock.server.airbyte_api.answers import (
    AskedFor,
    Body,
    Json,
    Unprocessable,
    listed,
    public_router,
)
from penstock.server.airbyte_api.public_connectors import FRESH_SECONDS, wanted_workspaces
from penstock.server.site import ActorNeeded, Site, SiteNeeded

router = public_router()
JobId = Annotated[int, Path(ge=0, lt=2**63)]


class TagGiven(Body):
    """A tag of a connection; its id says which."""

    tag_id: str


class ConnectionFields(Body):
    """What can be set of a connection; what is left out keeps its value."""

    name: str | None = None
    configurations: dict[str, list[dict[str, Any]]] | None = None
    schedule: dict[str, Any] | None = None
    namespace_definition: NamespaceRule | None = None
    namespace_format: str | None = None
    prefix: str | None = None
    non_breaking_schema_updates_behavior: SchemaPolicy | None = None
    status: ConnectionStatus | None = None
    tags: list[TagGiven] | None = None


class ConnectionCreate(ConnectionFields):
    """A new connection; without streams it takes all there are."""

    source_id: str
    destination_id: str


class JobCreate(Body):
    """What is asked of a connection."""

    connection_id: str
    job_type: RunKind = Field(default=RunKind.SYNC)


@router.get("/connections", name="airbyte_list_connections")
def list_connections(
    actor: ActorNeeded,
    site: SiteNeeded,
    asked: AskedFor,
    workspace_ids: Annotated[list[str] | None, Query(alias="workspaceIds")] = None,
    tag_ids: Annotated[list[str] | None, Query(alias="tagIds")] = None,
    *,
    include_deleted: Annotated[bool, Query(alias="includeDeleted")] = False,
) -> Json:
    """Lists connections, the oldest first."""
    wanted = connections.Filter(
        workspace_ids=wanted_workspaces(actor, workspace_ids),
        tag_ids=listed(tag_ids),
        with_deleted=include_deleted,
    )
    with site.store.read() as tx:
        found = connections.list_(tx, asked.window, wanted).items
        items = told(tx, found)
    return asked.page(items)


@router.post("/connections", name="airbyte_create_connection")
def create_connection(body: ConnectionCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Makes a connection in the workspace of its source."""
    with site.store.read() as tx:
        source = connectors.get(tx, body.source_id)
        destination = connectors.get(tx, body.destination_id)
    actor.require(Role.EDITOR, source.workspace_id)
    blank = Connection(
        id=str(uuid.uuid4()),
        workspace_id=source.workspace_id,
        name=f"{source.name} → {destination.name}",
        source_id=source.id,
        destination_id=destination.id,
        created_at=site.now(),
        updated_at=site.now(),
    )
    made = site.plane.configuring.create_connection(
        _changed(site, blank, body),
        tags=[each.tag_id for each in body.tags or ()],
        actor=actor.name,
    )
    return _one(site, made.id)


@router.get("/connections/{connection_id}", name="airbyte_get_connection")
def get_connection(connection_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a connection."""
    seen(site, connection_id, actor, Role.READER)
    return _one(site, connection_id)


@router.patch("/connections/{connection_id}", name="airbyte_patch_connection")
def patch_connection(
    connection_id: str, body: ConnectionFields, actor: ActorNeeded, site: SiteNeeded
) -> Json:
    """Changes a connection; without streams its choice of them stays."""
    before = seen(site, connection_id, actor, Role.EDITOR)
    changed = _changed(site, before, body)
    given = body.model_fields_set
    kept = {
        ours: getattr(changed, ours)
        for theirs, ours in _OURS.items()
        if theirs in given and getattr(body, theirs) is not None
    }
    if "catalog_id" not in kept and changed.catalog_id != before.catalog_id:
        kept["catalog_id"] = changed.catalog_id
    site.plane.configuring.update_connection(
        connection_id,
        lambda connection: replace(connection, **kept),
        tags=None if body.tags is None else [each.tag_id for each in body.tags],
        actor=actor.name,
    )
    return _one(site, connection_id)


@router.delete("/connections/{connection_id}", name="airbyte_delete_connection")
def delete_connection(connection_id: str, actor: ActorNeeded, site: SiteNeeded) -> Response:
    """Removes a connection; its tables stay as they are."""
    seen(site, connection_id, actor, Role.EDITOR)
    site.plane.configuring.delete_connection(connection_id, actor=actor.name)
    return Response(status_code=204)


@router.get("/jobs", name="airbyte_list_jobs")
def list_jobs(  # noqa: PLR0913, PLR0917 (Airbyte's filters)
    actor: ActorNeeded,
    site: SiteNeeded,
    asked: AskedFor,
    connection_id: Annotated[str | None, Query(alias="connectionId")] = None,
    workspace_ids: Annotated[list[str] | None, Query(alias="workspaceIds")] = None,
    job_type: Annotated[RunKind | None, Query(alias="jobType")] = None,
    status: str | None = None,
    created_from: Annotated[datetime | None, Query(alias="createdAtStart")] = None,
    created_to: Annotated[datetime | None, Query(alias="createdAtEnd")] = None,
    updated_from: Annotated[datetime | None, Query(alias="updatedAtStart")] = None,
    updated_to: Annotated[datetime | None, Query(alias="updatedAtEnd")] = None,
    order_by: Annotated[str | None, Query(alias="orderBy")] = None,
) -> Json:
    """Lists jobs, the newest first unless asked otherwise."""
    wanted = runs.Filter(
        connection_ids=(connection_id,) if connection_id else None,
        workspace_ids=wanted_workspaces(actor, workspace_ids),
        kinds=(job_type,) if job_type else None,
        statuses=words.statuses_of(status) if status else None,
        created_from=_aware(created_from),
        created_to=_aware(created_to),
        updated_from=_aware(updated_from),
        updated_to=_aware(updated_to),
    )
    by, is_descending = _order(order_by)
    with site.store.read() as tx:
        found = runs.list_(tx, asked.window, wanted, by=by, is_descending=is_descending).items
    return asked.page([words.job(each) for each in found])


@router.post("/jobs", name="airbyte_create_job")
def create_job(body: JobCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Asks for a run; 409 while the connection has one."""
    seen(site, body.connection_id, actor, Role.RUNNER)
    if body.job_type is RunKind.REFRESH:
        raise Unprocessable(
            "Refreshes are not supported in the public API.",
            remedy="Use POST /api/v1/connections/{id}/runs with kind refresh.",
        )
    request = RunRequest(kind=body.job_type, trigger=Trigger.API, requested_by=actor.name)
    return words.job(site.plane.request_run(body.connection_id, request))


@router.get("/jobs/{job_id}", name="airbyte_get_job")
def get_job(job_id: JobId, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a job."""
    return words.job(seen_run(site, job_id, actor, Role.READER))


@router.delete("/jobs/{job_id}", name="airbyte_cancel_job")
def cancel_job(job_id: JobId, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Asks a job to end; what is committed stays."""
    seen_run(site, job_id, actor, Role.RUNNER)
    return words.job(site.plane.cancel(job_id, by=actor.name))


def seen(site: Site, connection_id: str, actor: Actor, role: Role) -> Connection:
    """Returns a connection to somebody who may see it in that role."""
    with site.store.read() as tx:
        found = connections.get(tx, connection_id)
    actor.require(role, found.workspace_id)
    return found


def seen_run(site: Site, run_id: int, actor: Actor, role: Role) -> Run:
    """Returns a run to somebody who may see it in that role."""
    with site.store.read() as tx:
        found = runs.get(tx, run_id)
    actor.require(role, found.workspace_id)
    return found


def told(tx: Transaction, found: Sequence[Connection]) -> list[Json]:
    """Returns connections as the public API shows them."""
    tags = connections.tags_of(tx, [each.id for each in found])
    shown = []
    for each in found:
        known = discoveries.newest_catalog(tx, each.source_id) if each.streams is None else None
        streams = words.chosen(each, known.catalog if known else None)
        shown.append(words.connection(each, streams, tags.get(each.id, ())))
    return shown


_OURS = {
    "name": "name",
    "schedule": "schedule",
    "configurations": "streams",
    "namespace_definition": "namespace_rule",
    "namespace_format": "namespace_format",
    "prefix": "prefix",
    "non_breaking_schema_updates_behavior": "schema_policy",
    "status": "status",
}


def _changed(site: Site, before: Connection, body: ConnectionFields) -> Connection:
    if body.status in (ConnectionStatus.DEPRECATED, ConnectionStatus.LOCKED):
        raise ConfigError(
            f"The status {body.status} cannot be set.",
            remedy="Use active or inactive; DELETE removes a connection.",
        )
    values: dict[str, Any] = {
        ours: getattr(body, theirs)
        for theirs, ours in _OURS.items()
        if theirs not in ("schedule", "configurations") and getattr(body, theirs) is not None
    }
    if body.schedule is not None:
        values["schedule"] = words.schedule_of(body.schedule)
    if body.configurations is not None and body.configurations.get("streams"):
        known = site.plane.discover(before.source_id, max_age_seconds=FRESH_SECONDS)
        values["streams"] = words.choices_of(body.configurations, known.catalog)
        values["catalog_id"] = known.id
    return replace(before, **values)


def _one(site: Site, connection_id: str) -> Json:
    with site.store.read() as tx:
        return told(tx, [connections.get(tx, connection_id)])[0]


def _order(given: str | None) -> tuple[str, bool]:
    if given is None:
        return "id", True
    name, _, direction = given.partition("|")
    columns = {"createdAt": "created_at", "updatedAt": "updated_at"}
    if name not in columns or direction not in ("ASC", "DESC"):
        raise ConfigError(
            f"Jobs cannot be ordered by {given!r}.",
            remedy="Use createdAt|ASC, createdAt|DESC, updatedAt|ASC or updatedAt|DESC.",
        )
    return columns[name], direction == "DESC"


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
