"""Sources and destinations: what is configured of a connector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from penstock.control.access import Actor
from penstock.control.accounts import Role
from penstock.control.model import Connector, ConnectorKind
from penstock.control.secrets import shown
from penstock.control.store import Transaction, connectors, definitions
from penstock.errors import ConfigError
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, Site, SiteNeeded, WindowAsked


class ConnectorShown(BaseModel):
    """A source or destination; its secrets are masked as `**********`."""

    id: str
    workspace_id: str
    kind: ConnectorKind
    definition_id: str
    definition_title: str
    name: str
    config: dict[str, Any]
    connections: int
    """How many use it."""
    managed_by: str | None
    created_at: datetime
    updated_at: datetime


class Connectors(BaseModel):
    """A part of the list, the oldest first."""

    items: list[ConnectorShown]
    next: str | None


class NewConnector(BaseModel):
    """What a source or destination is made of."""

    model_config = ConfigDict(extra="forbid")

    workspace_id: str
    definition_id: str
    name: str
    config: dict[str, Any]


class ConnectorChange(BaseModel):
    """What is to change; a masked secret stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    config: dict[str, Any] | None = None
    """The whole configuration."""


def _routes(kind: ConnectorKind) -> APIRouter:
    """Returns the routes of one kind; the two differ in nothing but their names."""
    router = own_router(f"/{kind}s", tag=f"{kind}s")

    @router.get("", name=f"list_{kind}s")
    def list_(
        actor: ActorNeeded,
        site: SiteNeeded,
        window: WindowAsked,
        workspace_id: str | None = None,
    ) -> Connectors:
        """Lists those of a workspace, or of all one sees."""
        wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
        for each in wanted or ():
            actor.require(Role.READER, each)
        with site.store.read() as tx:
            found = connectors.list_(tx, window, kind, workspace_ids=wanted)
            items = [connector_shown(tx, each) for each in found.items]
        return Connectors(items=items, next=found.next)

    @router.post("", status_code=201, name=f"create_{kind}")
    def create(body: NewConnector, actor: ActorNeeded, site: SiteNeeded) -> ConnectorShown:
        """Makes one; its secrets are encrypted."""
        actor.require(Role.EDITOR, body.workspace_id)
        with site.store.read() as tx:
            definition = definitions.get(tx, body.definition_id)
        if definition.kind is not kind:
            raise ConfigError(
                f"{definition.title} is no {kind}.", remedy=f"Choose a definition of a {kind}."
            )
        made = site.plane.configuring.create_connector(
            workspace_id=body.workspace_id,
            definition_id=body.definition_id,
            name=body.name,
            config=body.config,
            actor=actor.name,
        )
        with site.store.read() as tx:
            return connector_shown(tx, made)

    @router.get("/{connector_id}", name=f"get_{kind}")
    def get(connector_id: str, actor: ActorNeeded, site: SiteNeeded) -> ConnectorShown:
        """Returns one."""
        found = seen(site, connector_id, actor, Role.READER)
        with site.store.read() as tx:
            return connector_shown(tx, found)

    @router.patch("/{connector_id}", name=f"change_{kind}")
    def change(
        connector_id: str, body: ConnectorChange, actor: ActorNeeded, site: SiteNeeded
    ) -> ConnectorShown:
        """Changes one."""
        seen(site, connector_id, actor, Role.EDITOR)
        changed = site.plane.configuring.update_connector(
            connector_id, name=body.name, config=body.config, actor=actor.name
        )
        with site.store.read() as tx:
            return connector_shown(tx, changed)

    @router.delete("/{connector_id}", status_code=204, name=f"delete_{kind}")
    def delete(connector_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
        """Removes one that no connection uses, and its secrets."""
        seen(site, connector_id, actor, Role.EDITOR)
        site.plane.configuring.delete_connector(connector_id, actor=actor.name)

    def seen(site: Site, connector_id: str, actor: Actor, role: Role) -> Connector:
        with site.store.read() as tx:
            found = connectors.get(tx, connector_id, kind)
        actor.require(role, found.workspace_id)
        return found

    return router


def connector_shown(tx: Transaction, connector: Connector) -> ConnectorShown:
    """Returns a connector as the API shows it."""
    definition = definitions.find(tx, connector.definition_id)
    spec: Mapping[str, Any] | None = definition.spec if definition else None
    return ConnectorShown(
        id=connector.id,
        workspace_id=connector.workspace_id,
        kind=connector.kind,
        definition_id=connector.definition_id,
        definition_title=definition.title if definition else "",
        name=connector.name,
        config=shown(connector.config, spec),
        connections=len(connectors.users_of(tx, connector.id)),
        managed_by=connector.managed_by,
        created_at=connector.created_at,
        updated_at=connector.updated_at,
    )


router = own_router()
for _kind in ConnectorKind:
    router.routes.extend(_routes(_kind).routes)
