"""The connectors that can be configured."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from penstock.control.accounts import Role
from penstock.control.model import ConnectorKind, Definition
from penstock.control.store import definitions
from penstock.errors import ConfigError
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, SiteNeeded, WindowAsked

router = own_router("/definitions", tag="definitions")


class DefinitionShown(BaseModel):
    """One connector of the gallery."""

    id: str
    kind: ConnectorKind
    name: str
    title: str
    version: str | None
    documentation_url: str | None
    origin: str
    """native, python, image, manifest or executable."""
    is_custom: bool


class Definitions(BaseModel):
    """A part of the gallery."""

    items: list[DefinitionShown]
    next: str | None


class NewDefinition(BaseModel):
    """A connector of one's own: exactly one way to get it."""

    model_config = ConfigDict(extra="forbid")

    kind: ConnectorKind
    name: str
    title: str
    workspace_id: str | None = None
    version: str | None = None
    pip_url: str | None = None
    image: str | None = None
    manifest: str | None = None
    executable: str | None = None
    documentation_url: str | None = None


class Spec(BaseModel):
    """The settings a connector takes."""

    definition_id: str
    connection_specification: dict[str, Any]
    """JSON Schema, with Airbyte's words: airbyte_secret, order, airbyte_hidden …"""
    documentation_url: str | None


@router.get("")
def list_definitions(
    actor: ActorNeeded,
    site: SiteNeeded,
    window: WindowAsked,
    kind: Annotated[ConnectorKind | None, Query(description="Only of this kind.")] = None,
    workspace_id: str | None = None,
) -> Definitions:
    """Lists the connectors there are to choose from, by name."""
    if workspace_id is not None:
        actor.require(Role.READER, workspace_id)
    with site.store.read() as tx:
        found = definitions.list_(tx, window, kind=kind, workspace_id=workspace_id)
    return Definitions(items=[_shown(each) for each in found.items], next=found.next)


@router.post("", status_code=201)
def add_definition(body: NewDefinition, actor: ActorNeeded, site: SiteNeeded) -> DefinitionShown:
    """Adds a connector: a Python package, an image, a low-code manifest or a program."""
    # Whoever adds a program lets it run on the server; a manifest's path opens a file there.
    is_on_server = body.executable is not None or _names_a_file(body.manifest)
    actor.require(Role.ADMIN, None if is_on_server else body.workspace_id)
    ways = {
        name: value
        for name in ("pip_url", "image", "executable")
        if (value := getattr(body, name)) is not None
    }
    if len(ways) + (body.manifest is not None) != 1:
        raise ConfigError(
            "A connector comes from one place.",
            remedy="Give one of pip_url, image, manifest and executable.",
        )
    prefix = f"{body.kind}-"
    made = Definition(
        id=str(uuid.uuid4()),
        kind=body.kind,
        name=body.name if body.name.startswith(prefix) else prefix + body.name,
        title=body.title,
        version=body.version,
        docker_repository=body.image,
        manifest=body.manifest,
        manifest_version=1 if body.manifest else None,
        origin=ways,
        documentation_url=body.documentation_url,
        workspace_id=body.workspace_id,
        is_custom=True,
        created_at=site.now(),
    )
    with site.store.write() as tx:
        definitions.create(tx, made)
    return _shown(made)


@router.get("/{definition_id}")
def get_definition(definition_id: str, actor: ActorNeeded, site: SiteNeeded) -> DefinitionShown:
    """Returns one connector of the gallery."""
    del actor
    with site.store.read() as tx:
        return _shown(definitions.get(tx, definition_id))


@router.get("/{definition_id}/spec")
def get_spec(definition_id: str, actor: ActorNeeded, site: SiteNeeded) -> Spec:
    """Returns the settings a connector takes; the first time, the connector itself is asked."""
    del actor
    schema = site.plane.configuring.spec_of(definition_id)
    with site.store.read() as tx:
        found = definitions.get(tx, definition_id)
    return Spec(
        definition_id=definition_id,
        connection_specification=schema,
        documentation_url=found.documentation_url,
    )


@router.delete("/{definition_id}", status_code=204)
def delete_definition(definition_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Removes a connector of one's own."""
    with site.store.write() as tx:
        found = definitions.get(tx, definition_id)
        actor.require(Role.ADMIN, found.workspace_id)
        if not found.is_custom:
            raise ConfigError(
                f"{found.title} is part of penstock.", remedy="Only added connectors can go."
            )
        definitions.delete_(tx, definition_id, now=site.now())


def _names_a_file(manifest: str | None) -> bool:
    """Tells whether a manifest is neither text nor a web address, but a path."""
    if manifest is None or "\n" in manifest:
        return False
    return not manifest.lstrip().startswith(("{", "http://", "https://"))


def _shown(definition: Definition) -> DefinitionShown:
    if definition.manifest:
        origin = "manifest"
    elif definition.origin.get("image"):
        origin = "image"
    elif definition.origin.get("executable"):
        origin = "executable"
    elif definition.is_custom or definition.version:
        origin = "python"
    else:
        origin = "native"
    return DefinitionShown(
        id=definition.id,
        kind=definition.kind,
        name=definition.name,
        title=definition.title,
        version=definition.version,
        documentation_url=definition.documentation_url,
        origin=origin,
        is_custom=definition.is_custom,
    )
