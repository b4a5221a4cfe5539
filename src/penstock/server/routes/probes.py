"""Quick questions to connectors (does it work, what has it): asked now, answered in a while."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from penstock.control.accounts import Role
from penstock.control.history import Failure, Probe, ProbeKind, RunStatus
from penstock.control.store import connectors, discoveries
from penstock.errors import BugError, PenstockError
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, Site, SiteNeeded

logger = logging.getLogger(__name__)
router = own_router("/probes", tag="probes")

_AT_ONCE: Final = 8
_asking: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="penstock-probe")


class NewCheck(BaseModel):
    """What to check: a connector that is kept, or settings that are not (yet)."""

    model_config = ConfigDict(extra="forbid")

    connector_id: str | None = None
    workspace_id: str | None = None
    definition_id: str | None = None
    config: dict[str, Any] | None = None
    """With `connector_id` too: its masked secrets are those kept."""


class NewDiscovery(BaseModel):
    """Which source to look at."""

    model_config = ConfigDict(extra="forbid")

    source_id: str
    max_age_seconds: float | None = None
    """Takes the answer kept, when it is no older."""


class FailureShown(BaseModel):
    """Why something failed, and what to do."""

    code: str
    message: str
    remedy: str
    origin: str
    failure_type: str
    context: dict[str, Any]


class ProbeShown(BaseModel):
    """A question, and its answer when there is one."""

    id: str
    kind: ProbeKind
    status: RunStatus
    failure: FailureShown | None
    catalog_id: str | None
    started_at: datetime
    ended_at: datetime | None


@router.post("/check", status_code=202)
def check(body: NewCheck, actor: ActorNeeded, site: SiteNeeded) -> ProbeShown:
    """Begins to prove that a connector works; `GET /probes/{id}` has the answer."""
    plane = site.plane
    if body.connector_id is not None:
        with site.store.read() as tx:
            kept = connectors.get(tx, body.connector_id)
        actor.require(Role.EDITOR, kept.workspace_id)
        definition_id = kept.definition_id
        if body.config is None:
            return _ask(site, ProbeKind.CHECK, definition_id, kept.id, lambda: plane.check(kept.id))
        config = plane.configuring.unmasked(kept.id, body.config)
    else:
        actor.require(Role.EDITOR, body.workspace_id)
        definition_id, config = body.definition_id or "", body.config or {}
    return _ask(
        site,
        ProbeKind.CHECK,
        definition_id,
        body.connector_id,
        lambda: plane.check_config(definition_id, config),
    )


@router.post("/discover", status_code=202)
def discover(body: NewDiscovery, actor: ActorNeeded, site: SiteNeeded) -> ProbeShown:
    """Begins to ask a source what it has."""
    with site.store.read() as tx:
        source = connectors.get(tx, body.source_id)
    actor.require(Role.EDITOR, source.workspace_id)
    return _ask(
        site,
        ProbeKind.DISCOVER,
        source.definition_id,
        source.id,
        lambda: site.plane.discover(source.id, max_age_seconds=body.max_age_seconds).id,
    )


@router.get("/{probe_id}")
def get_probe(probe_id: str, actor: ActorNeeded, site: SiteNeeded) -> ProbeShown:
    """Returns a question and, when it has come, its answer."""
    with site.store.read() as tx:
        found = discoveries.probe(tx, probe_id)
        if found.connector_id is not None:
            kept = connectors.get(tx, found.connector_id, with_deleted=True)
            actor.require(Role.READER, kept.workspace_id)
    return _shown(found)


def failure_shown(failure: Failure | None) -> FailureShown | None:
    """Returns a failure as the API shows it."""
    if failure is None:
        return None
    return FailureShown(
        code=failure.code,
        message=failure.message,
        remedy=failure.remedy,
        origin=failure.origin,
        failure_type=failure.failure_type,
        context=failure.context,
    )


def _ask(
    site: Site,
    kind: ProbeKind,
    definition_id: str,
    connector_id: str | None,
    question: Callable[[], str | None],
) -> ProbeShown:
    probe = Probe(
        id=str(uuid.uuid4()),
        kind=kind,
        connector_id=connector_id,
        definition_id=definition_id,
        started_at=site.now(),
    )
    with site.store.write() as tx:
        discoveries.start_probe(tx, probe)
    _asking.submit(_answer, site, probe, question)
    return _shown(probe)


def _answer(site: Site, probe: Probe, question: Callable[[], str | None]) -> None:
    status, failure, catalog_id = RunStatus.SUCCEEDED, None, None
    try:
        catalog_id = question()
    except PenstockError as error:
        status, failure = RunStatus.FAILED, _failure_of(error)
    except Exception:
        logger.exception("probe failed unexpectedly", extra={"probe": probe.id})
        bug = BugError("The question could not be asked.", remedy="See the server's log.")
        status, failure = RunStatus.FAILED, _failure_of(bug)
    ended = replace(
        probe, status=status, failure=failure, catalog_id=catalog_id, ended_at=site.now()
    )
    with site.store.write() as tx:
        discoveries.end_probe(tx, ended)


def _failure_of(error: PenstockError) -> Failure:
    document = error.as_document()
    return Failure(
        code=document["code"],
        message=document["message"],
        remedy=document["remedy"],
        failure_type=document["failure_type"],
        context=document["context"],
    )


def _shown(probe: Probe) -> ProbeShown:
    return ProbeShown(
        id=probe.id,
        kind=probe.kind,
        status=probe.status,
        failure=failure_shown(probe.failure),
        catalog_id=probe.catalog_id,
        started_at=probe.started_at,
        ended_at=probe.ended_at,
    )
