"""Configuration as code: a workspace exported, compared with a document, and set by it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from penstock.control.access import Actor
from penstock.control.accounts import Role
from penstock.control.declared.applying import Options
from penstock.control.declared.plan import Action, Change, Plan
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, Site, SiteNeeded

router = own_router("/configuration", tag="configuration")


class Given(BaseModel):
    """A document as `penstock.yml` has it, and how it is applied."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any]
    prune: bool = False
    """Deletes what a document had made and this one leaves out."""
    allow_reset: bool = False
    """Lets streams begin anew whose position a change makes meaningless."""
    remember: bool = True
    """Notes what was set, to tell drift next time."""
    secrets: dict[str, Any] = Field(default_factory=dict)
    """Values for `${secret:NAME}`; they are kept encrypted."""


class ExportShown(BaseModel):
    """A workspace as a document."""

    document: dict[str, Any]
    secrets: list[str]
    """What has to be given where the document is applied elsewhere."""


@router.get("/export")
def export_configuration(
    actor: ActorNeeded, site: SiteNeeded, workspace: str | None = None
) -> ExportShown:
    """Returns a workspace as a document; secrets leave only as references."""
    declaring = site.plane.declaring
    found = declaring.workspace(workspace)
    actor.require(Role.READER, found.id if found else None)
    made = declaring.export(workspace)
    return ExportShown(document=dict(made.document), secrets=list(made.secrets))


@router.post("/plan")
def plan_configuration(body: Given, actor: ActorNeeded, site: SiteNeeded) -> Plan:
    """Returns what applying a document would change, and what has drifted."""
    _require(site, actor, body, ())
    return site.plane.declaring.plan(body.document, _options(body))


@router.post("/apply")
def apply_configuration(body: Given, actor: ActorNeeded, site: SiteNeeded) -> Plan:
    """Makes a workspace as a document says; returns what was done."""
    _require(site, actor, body, ())
    planned = site.plane.declaring.plan(body.document, _options(body))
    _require(site, actor, body, planned.changes)
    return site.plane.declaring.apply(body.document, _options(body), actor=actor.name)


def _options(body: Given) -> Options:
    return Options(
        prunes=body.prune,
        allows_reset=body.allow_reset,
        remembers=body.remember,
        secrets=body.secrets,
    )


def _require(site: Site, actor: Actor, body: Given, changes: tuple[Change, ...]) -> None:
    """Raises AccessDenied unless the actor may do all of it, as by the other routes."""
    name = body.document.get("workspace")
    workspace = site.plane.declaring.workspace(name if isinstance(name, str) else None)
    where = workspace.id if workspace else None
    actor.require(Role.EDITOR, where)
    if any(each.kind == "workspace" for each in changes):
        actor.require(Role.ADMIN, None)
    own = [each for each in changes if each.kind == "connector"]
    if own:
        # Whoever adds a program lets it run on the server; and other workspaces may use what is
        # there already.
        declared = body.document.get("connectors", {})
        is_wide = any(
            each.action is not Action.CREATE
            or "executable" in declared[each.name].get("origin", {})
            for each in own
        )
        actor.require(Role.ADMIN, None if is_wide else where)
