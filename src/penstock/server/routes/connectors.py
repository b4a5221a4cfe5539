"""Sources and destinations: what is configured of a connector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from penstock.control.accounts import Role
from penstock.control.model import Connector, ConnectorKind
from penstock.control.secrets import shown
from penstock.control.store import Transaction, connectors, definitions
from penstock.server.site import ActorNeeded, Site, SiteNeeded, WindowAsked

router = APIRouter(tags=["connectors"])


class Plural(StrEnum):
    """The two kinds, as they stand in addresses."""

    SOURCES = "sources"
    DESTINATIONS = "destinations"

    @property
    def kind(self) -> ConnectorKind:
        return ConnectorKind(self.value.removesuffix("s"))


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


Which = Annotated[Plural, Path(description="sources or destinations")]


@router.get("/{plural}")
def list_connectors(
    plural: Which,
    actor: ActorNeeded,
    site: SiteNeeded,
    window: WindowAsked,
    workspace_id: str | None = None,
) -> Connectors:
    """Lists the sources or destinations of a workspace, or of all one sees."""
    wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in wanted or ():
        actor.require(Role.READER, each)
    with site.store.read() as tx:
        found = connectors.list_(tx, window, plural.kind, workspace_ids=wanted)
        items = [connector_shown(tx, each) for each in found.items]
    return Connectors(items=items, next=found.next)


@router.post("/{plural}", status_code=201)
def create_connector(
    plural: Which, body: NewConnector, actor: ActorNeeded, site: SiteNeeded
) -> ConnectorShown:
    """Makes a source or destination; its secrets are encrypted."""
    del plural
    actor.require(Role.EDITOR, body.workspace_id)
    made = site.plane.configuring.create_connector(
        workspace_id=body.workspace_id,
        definition_id=body.definition_id,
        name=body.name,
        config=body.config,
        actor=actor.name,
    )
    with site.store.read() as tx:
        return connector_shown(tx, made)


@router.get("/{plural}/{connector_id}")
def get_connector(
    plural: Which, connector_id: str, actor: ActorNeeded, site: SiteNeeded
) -> ConnectorShown:
    """Returns a source or destination."""
    with site.store.read() as tx:
        found = connectors.get(tx, connector_id, plural.kind)
        actor.require(Role.READER, found.workspace_id)
        return connector_shown(tx, found)


@router.patch("/{plural}/{connector_id}")
def change_connector(
    plural: Which, connector_id: str, body: ConnectorChange, actor: ActorNeeded, site: SiteNeeded
) -> ConnectorShown:
    """Changes a source or destination."""
    _require(site, connector_id, plural, actor, Role.EDITOR)
    changed = site.plane.configuring.update_connector(
        connector_id, name=body.name, config=body.config, actor=actor.name
    )
    with site.store.read() as tx:
        return connector_shown(tx, changed)


@router.delete("/{plural}/{connector_id}", status_code=204)
def delete_connector(
    plural: Which, connector_id: str, actor: ActorNeeded, site: SiteNeeded
) -> None:
    """Removes a source or destination that no connection uses, and its secrets."""
    _require(site, connector_id, plural, actor, Role.EDITOR)
    site.plane.configuring.delete_connector(connector_id, actor=actor.name)


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


def _require(
    site: Site, connector_id: str, plural: Plural, actor: ActorNeeded, role: Role
) -> Connector:
    with site.store.read() as tx:
        found = connectors.get(tx, connector_id, plural.kind)
    actor.require(role, found.workspace_id)
    return found
