"""Airbyte's Config API under `/api/v1`: what orchestrators and PyAirbyte call of it, by POST."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from pydantic import Field

from penstock.control.accounts import Role
from penstock.control.enqueuing import Request as RunRequest
from penstock.control.history import RunKind, RunStatus, Trigger
from penstock.control.model import ConnectionStatus, ConnectorKind
from penstock.control.store import Window, connections, connectors, discoveries, runs, workspaces
from penstock.errors import PenstockError
from penstock.protocol.codec import decode_states
from penstock.server.airbyte_api import config_words, words
from penstock.server.airbyte_api.answers import Body, ConfigRoute, Json
from penstock.server.airbyte_api.public_connections import seen, seen_run
from penstock.server.airbyte_api.public_connectors import FRESH_SECONDS
from penstock.server.site import ActorNeeded, Site, SiteNeeded

router = APIRouter(prefix="/api/v1", route_class=ConfigRoute, include_in_schema=False)
_LOG_LINES: Final = 1_000
"""Of an attempt's log so many are sent at most: Kestra asks each second."""


class ConnectionAsked(Body):
    """Which connection."""

    connection_id: str


class JobAsked(Body):
    """Which job."""

    id: int = Field(ge=0, lt=2**63)


class Pagination(Body):
    """Which part of a list."""

    page_size: int = Field(default=20, ge=1, le=100)
    row_offset: int = Field(default=0, ge=0, le=10_000_000)


class JobsAsked(Body):
    """Which jobs: kinds, and the connection."""

    config_types: list[str] = Field(default_factory=list)
    config_id: str
    pagination: Pagination = Field(default_factory=Pagination)


class ConnectorAsked(Body):
    """Which source or destination."""

    source_id: str | None = None
    destination_id: str | None = None


class DiscoveryAsked(Body):
    """Which source, and whether a kept answer will not do."""

    source_id: str
    disable_cache: bool = False


class WorkspaceAsked(Body):
    """Which workspace."""

    workspace_id: str


class StateGiven(Body):
    """Where a connection is to continue."""

    connection_id: str
    connection_state: dict[str, Any]


class ConnectionChange(Body):
    """What is to change of a connection."""

    connection_id: str
    name: str | None = None
    prefix: str | None = None
    status: ConnectionStatus | None = None
    sync_catalog: dict[str, Any] | None = None


@router.post("/connections/get", name="config_get_connection")
@router.post("/web_backend/connections/get", name="config_get_web_connection")
def get_connection(body: ConnectionAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a connection with its streams and their schemas."""
    return _connection(site, seen(site, body.connection_id, actor, Role.READER).id)


@router.post("/web_backend/connections/update", name="config_update_web_connection")
@router.post("/connections/update", name="config_update_connection")
def update_connection(body: ConnectionChange, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Changes a connection; with a catalogue its streams are those selected in it."""
    before = seen(site, body.connection_id, actor, Role.EDITOR)
    values: dict[str, Any] = {
        name: value
        for name in ("name", "prefix", "status")
        if (value := getattr(body, name)) is not None
    }
    if body.sync_catalog is not None:
        values["streams"] = config_words.choices_of(body.sync_catalog)
    site.plane.configuring.update_connection(
        before.id, lambda connection: replace(connection, **values), actor=actor.name
    )
    return _connection(site, before.id)


@router.post("/connections/sync", name="config_sync")
def sync(body: ConnectionAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Asks for a sync; 409 while one is running."""
    return _asked(site, body.connection_id, RunKind.SYNC, actor)


@router.post("/connections/reset", name="config_reset")
@router.post("/connections/clear", name="config_clear")
def reset(body: ConnectionAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Asks for tables to be emptied and states to be forgotten."""
    return _asked(site, body.connection_id, RunKind.RESET, actor)


@router.post("/jobs/get", name="config_get_job")
def get_job(body: JobAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a job with its attempts and the end of their logs."""
    return _job(site, seen_run(site, body.id, actor, Role.READER).id)


@router.post("/jobs/cancel", name="config_cancel_job")
def cancel_job(body: JobAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Asks a job to end."""
    run = seen_run(site, body.id, actor, Role.RUNNER)
    site.plane.cancel(run.id, by=actor.name)
    return _job(site, run.id)


@router.post("/jobs/list", name="config_list_jobs")
def list_jobs(body: JobsAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Lists a connection's jobs, the newest first, without logs."""
    found = seen(site, body.config_id, actor, Role.READER)
    kinds = config_words.kinds_of(body.config_types)
    wanted = runs.Filter(connection_ids=(found.id,), kinds=kinds)
    window = Window(limit=body.pagination.page_size, offset=body.pagination.row_offset)
    with site.store.read() as tx:
        listed = runs.list_(tx, window, wanted).items
        attempts = runs.attempts_of(tx, [each.id for each in listed])
        total = sum(runs.count_by_status(tx, wanted).values())
    jobs = [
        {
            "job": config_words.job(each),
            "attempts": [config_words.attempt(one) for one in attempts if one.run_id == each.id],
        }
        for each in listed
    ]
    return {"jobs": jobs, "totalJobCount": total}


@router.post("/sources/check_connection", name="config_check_source")
@router.post("/destinations/check_connection", name="config_check_destination")
def check(body: ConnectorAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Proves that a source or destination works; what it says otherwise is the answer."""
    connector_id = body.source_id or body.destination_id or ""
    with site.store.read() as tx:
        found = connectors.get(tx, connector_id)
    actor.require(Role.EDITOR, found.workspace_id)
    begun = site.now()
    try:
        site.plane.check(connector_id)
    except PenstockError as error:
        answer: Json = {"status": "failed", "message": f"{error.message} {error.remedy}".strip()}
    else:
        answer = {"status": "succeeded"}
    return {**answer, "jobInfo": _quick("check_connection", found.id, begun, site.now())}


@router.post("/sources/discover_schema", name="config_discover")
def discover(body: DiscoveryAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns what a source has."""
    with site.store.read() as tx:
        source = connectors.get(tx, body.source_id, ConnectorKind.SOURCE)
    actor.require(Role.EDITOR, source.workspace_id)
    begun = site.now()
    found = site.plane.discover(
        source.id, max_age_seconds=0 if body.disable_cache else FRESH_SECONDS
    )
    return {
        "catalog": config_words.discovered(found.catalog),
        "catalogId": found.id,
        "jobInfo": _quick("discover_schema", source.id, begun, site.now()),
    }


@router.post("/state/get", name="config_get_state")
def get_state(body: ConnectionAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns where a connection continues."""
    found = seen(site, body.connection_id, actor, Role.READER)
    return config_words.states(site.store, found.id)


@router.post("/state/create_or_update", name="config_set_state")
@router.post("/state/create_or_update_safe", name="config_set_state_safely")
def set_state(body: StateGiven, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Sets where a connection continues; 409 while it runs."""
    found = seen(site, body.connection_id, actor, Role.EDITOR)
    messages = config_words.state_messages(body.connection_state)
    given = decode_states(msgspec.json.encode(messages))
    site.plane.configuring.set_states(found.id, given, actor=actor.name)
    return config_words.states(site.store, found.id)


@router.post("/organizations/get_organization_info", name="config_organization")
@router.post("/workspaces/get_organization_info", name="config_organization_of_workspace")
def organization(actor: ActorNeeded) -> Json:
    """Returns the one organization that an installation is."""
    del actor
    return {"organizationId": words.ORGANIZATION, "organizationName": "penstock", "sso": False}


@router.post("/workspaces/list_by_organization_id", name="config_list_workspaces")
def list_workspaces(actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Lists the workspaces one sees."""
    with site.store.read() as tx:
        found = workspaces.list_(tx, Window(limit=1000), ids=actor.workspace_ids()).items
    return {"workspaces": [_workspace(each.id, each.name) for each in found]}


@router.post("/workspaces/get", name="config_get_workspace")
def get_workspace(body: WorkspaceAsked, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a workspace."""
    actor.require(Role.READER, body.workspace_id)
    with site.store.read() as tx:
        found = workspaces.get(tx, body.workspace_id)
    return _workspace(found.id, found.name)


def _asked(site: Site, connection_id: str, kind: RunKind, actor: ActorNeeded) -> Json:
    seen(site, connection_id, actor, Role.RUNNER)
    request = RunRequest(kind=kind, trigger=Trigger.API, requested_by=actor.name)
    return _job(site, site.plane.request_run(connection_id, request).id)


def _job(site: Site, run_id: int) -> Json:
    with site.store.read() as tx:
        run = runs.get(tx, run_id)
        attempts = runs.attempts_of(tx, [run_id])
    told = []
    for each in attempts:
        lines = _log_tail(site, run_id, each.number)
        told.append({"attempt": config_words.attempt(each), "logs": {"logLines": lines}})
    return {"job": config_words.job(run), "attempts": told}


def _log_tail(site: Site, run_id: int, number: int) -> list[str]:
    """Returns the end of a log: its last part is read, whatever its size."""
    path = site.plane.log_path(run_id, number)
    if not path.is_file():
        return []
    begin = max(0, path.stat().st_size - (256 << 10))
    with path.open("rb") as log:
        log.seek(begin)
        if begin:
            log.readline()
        begin = log.tell()
    part = site.plane.log(run_id, number, offset=begin)
    return [
        f"{each.at:%Y-%m-%d %H:%M:%S} {each.origin} {each.level} {each.message}"
        for each in part.records[-_LOG_LINES:]
    ]


def _connection(site: Site, connection_id: str) -> Json:
    with site.store.read() as tx:
        found = connections.get(tx, connection_id)
        known = (
            discoveries.catalog(tx, found.catalog_id)
            if found.catalog_id
            else discoveries.newest_catalog(tx, found.source_id)
        )
        newest = runs.newest_of(tx, [connection_id]).get(connection_id)
    return {
        **config_words.connection(found, known.catalog if known else {}),
        "isSyncing": newest is not None and newest.status.is_active,
        "latestSyncJobStatus": words.status_word(newest.status if newest else RunStatus.QUEUED),
    }


def _quick(kind: str, config_id: str, begun: datetime, ended: datetime) -> Json:
    return {
        "id": config_id,
        "configType": kind,
        "configId": config_id,
        "createdAt": int(begun.timestamp()),
        "endedAt": int(ended.timestamp()),
        "succeeded": True,
        "logs": {"logLines": []},
    }


def _workspace(workspace_id: str, name: str) -> Json:
    return {
        "workspaceId": workspace_id,
        "customerId": workspace_id,
        "name": name,
        "slug": workspace_id,
        "initialSetupComplete": True,
        "organizationId": words.ORGANIZATION,
    }
