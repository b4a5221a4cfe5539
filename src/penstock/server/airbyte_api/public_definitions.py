"""Airbyte's public API: the connectors of a workspace, by image or by manifest."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import yaml
from fastapi import APIRouter, Query

from penstock.control.access import Actor
from penstock.control.accounts import Role
from penstock.control.model import ConnectorKind, Definition
from penstock.control.store import Window, definitions
from penstock.errors import ConfigError, UnknownName
from penstock.server.airbyte_api.answers import AskedFor, Body, Json, public_router, without_nulls
from penstock.server.site import ActorNeeded, Site, SiteNeeded

_EVERYTHING = Window(limit=10_000)


class DefinitionCreate(Body):
    """A connector that is an image."""

    name: str
    docker_repository: str
    docker_image_tag: str
    documentation_url: str | None = None


class DefinitionPut(Body):
    """Another version of it."""

    name: str
    docker_image_tag: str


class DeclarativeCreate(Body):
    """A connector that is a low-code manifest."""

    name: str
    manifest: Any


class DeclarativePut(Body):
    """Another version of its manifest."""

    manifest: Any


def _routes(kind: ConnectorKind) -> APIRouter:
    path = f"/workspaces/{{workspace_id}}/definitions/{kind}s"
    router = public_router(path)

    @router.get("", name=f"airbyte_list_{kind}_definitions")
    def list_(workspace_id: str, actor: ActorNeeded, site: SiteNeeded, asked: AskedFor) -> Json:
        actor.require(Role.READER, workspace_id)
        with site.store.read() as tx:
            found = definitions.list_(tx, asked.window, kind=kind, workspace_id=workspace_id).items
        return asked.page([_image(each, site.version) for each in found])

    @router.post("", name=f"airbyte_create_{kind}_definition")
    def create(
        workspace_id: str, body: DefinitionCreate, actor: ActorNeeded, site: SiteNeeded
    ) -> Json:
        actor.require(Role.ADMIN, workspace_id)
        made = Definition(
            id=str(uuid.uuid4()),
            kind=kind,
            name=_name(kind, body.docker_repository.rpartition("/")[2]),
            title=body.name,
            version=body.docker_image_tag,
            docker_repository=body.docker_repository,
            origin={"image": f"{body.docker_repository}:{body.docker_image_tag}"},
            documentation_url=body.documentation_url,
            workspace_id=workspace_id,
            is_custom=True,
            created_at=site.now(),
        )
        with site.store.write() as tx:
            definitions.create(tx, made)
        return _image(made, site.version)

    @router.get("/{definition_id}", name=f"airbyte_get_{kind}_definition")
    def get(workspace_id: str, definition_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
        actor.require(Role.READER, workspace_id)
        return _image(_found(site, workspace_id, definition_id, kind), site.version)

    @router.put("/{definition_id}", name=f"airbyte_put_{kind}_definition")
    def put(
        workspace_id: str,
        definition_id: str,
        body: DefinitionPut,
        actor: ActorNeeded,
        site: SiteNeeded,
    ) -> Json:
        before = _own(site, workspace_id, definition_id, kind, actor)
        changed = replace(
            before,
            title=body.name,
            version=body.docker_image_tag,
            origin={"image": f"{before.docker_repository}:{body.docker_image_tag}"},
        )
        with site.store.write() as tx:
            definitions.save(tx, changed)
        return _image(changed, site.version)

    @router.delete("/{definition_id}", name=f"airbyte_delete_{kind}_definition")
    def delete(workspace_id: str, definition_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
        gone = _own(site, workspace_id, definition_id, kind, actor)
        with site.store.write() as tx:
            definitions.delete_(tx, definition_id, now=site.now())
        return _image(gone, site.version)

    return router


router = public_router()
_DECLARATIVE = "/workspaces/{workspace_id}/definitions/declarative_sources"
for _kind in ConnectorKind:
    router.routes.extend(_routes(_kind).routes)


@router.get(_DECLARATIVE, name="airbyte_list_declarative")
def list_declarative(
    workspace_id: str, actor: ActorNeeded, site: SiteNeeded, asked: AskedFor
) -> Json:
    """Lists the low-code connectors of a workspace."""
    actor.require(Role.READER, workspace_id)
    with site.store.read() as tx:
        found = definitions.list_(
            tx, _EVERYTHING, kind=ConnectorKind.SOURCE, workspace_id=workspace_id, only_custom=True
        ).items
    return asked.part([_manifest(each) for each in found if each.manifest is not None])


@router.post(_DECLARATIVE, name="airbyte_create_declarative")
def create_declarative(
    workspace_id: str, body: DeclarativeCreate, actor: ActorNeeded, site: SiteNeeded
) -> Json:
    """Adds a low-code connector."""
    actor.require(Role.ADMIN, workspace_id)
    made = Definition(
        id=str(uuid.uuid4()),
        kind=ConnectorKind.SOURCE,
        name=_name(ConnectorKind.SOURCE, body.name),
        title=body.name,
        manifest=_text(body.manifest),
        manifest_version=1,
        workspace_id=workspace_id,
        is_custom=True,
        created_at=site.now(),
    )
    with site.store.write() as tx:
        definitions.create(tx, made)
    return _manifest(made)


@router.get(_DECLARATIVE + "/{definition_id}", name="airbyte_get_declarative")
def get_declarative(
    workspace_id: str, definition_id: str, actor: ActorNeeded, site: SiteNeeded
) -> Json:
    """Returns a low-code connector."""
    actor.require(Role.READER, workspace_id)
    return _manifest(_low_code(_found(site, workspace_id, definition_id, ConnectorKind.SOURCE)))


@router.put(_DECLARATIVE + "/{definition_id}", name="airbyte_put_declarative")
def put_declarative(
    workspace_id: str,
    definition_id: str,
    body: DeclarativePut,
    actor: ActorNeeded,
    site: SiteNeeded,
) -> Json:
    """Gives a low-code connector another manifest, as its next version."""
    before = _low_code(_own(site, workspace_id, definition_id, ConnectorKind.SOURCE, actor))
    changed = replace(
        before,
        manifest=_text(body.manifest),
        manifest_version=(before.manifest_version or 0) + 1,
    )
    with site.store.write() as tx:
        definitions.save(tx, changed)
    return _manifest(changed)


@router.delete(_DECLARATIVE + "/{definition_id}", name="airbyte_delete_declarative")
def delete_declarative(
    workspace_id: str, definition_id: str, actor: ActorNeeded, site: SiteNeeded
) -> Json:
    """Removes a low-code connector."""
    gone = _low_code(_own(site, workspace_id, definition_id, ConnectorKind.SOURCE, actor))
    with site.store.write() as tx:
        definitions.delete_(tx, definition_id, now=site.now())
    return _manifest(gone)


@router.get("/connector_definitions", name="airbyte_connector_definitions")
def connector_definitions(
    actor: ActorNeeded,
    site: SiteNeeded,
    kind: Annotated[ConnectorKind, Query(alias="type")],
    workspace_id: Annotated[str | None, Query(alias="workspaceId")] = None,
) -> Json:
    """Lists what can be configured."""
    if workspace_id is not None:
        actor.require(Role.READER, workspace_id)
    with site.store.read() as tx:
        found = definitions.list_(tx, _EVERYTHING, kind=kind, workspace_id=workspace_id).items
    return {
        "data": [
            {
                "id": each.id,
                "name": each.title,
                "connectorDefinitionType": kind.value,
                "version": each.version or site.version,
            }
            for each in found
        ]
    }


def _found(site: Site, workspace_id: str, definition_id: str, kind: ConnectorKind) -> Definition:
    with site.store.read() as tx:
        found = definitions.get(tx, definition_id)
    is_visible = found.workspace_id in (None, workspace_id) and found.deleted_at is None
    if found.kind is not kind or not is_visible:
        raise UnknownName(
            f"There is no {kind} definition {definition_id} in this workspace.",
            remedy="List those there are.",
            resource_type=f"{kind}_definition",
            resource_id=definition_id,
        )
    return found


def _own(
    site: Site, workspace_id: str, definition_id: str, kind: ConnectorKind, actor: Actor
) -> Definition:
    """Returns a definition that may be changed: one that was added to this workspace."""
    actor.require(Role.ADMIN, workspace_id)
    found = _found(site, workspace_id, definition_id, kind)
    if not found.is_custom or found.workspace_id != workspace_id:
        raise ConfigError(
            f"{found.title} belongs to the installation and cannot be changed here.",
            remedy="Add one of your own, and change that.",
        )
    return found


def _low_code(found: Definition) -> Definition:
    if found.manifest is None:
        raise UnknownName(
            f"{found.title} is no low-code connector.",
            remedy="List the declarative sources.",
            resource_type="declarative_source_definition",
            resource_id=found.id,
        )
    return found


def _image(each: Definition, version: str) -> Json:
    return without_nulls(
        id=each.id,
        name=each.title,
        dockerRepository=each.docker_repository or each.name,
        dockerImageTag=each.version or version,
        documentationUrl=each.documentation_url,
    )


def _manifest(each: Definition) -> Json:
    return {
        "id": each.id,
        "name": each.title,
        "manifest": yaml.safe_load(each.manifest or "{}"),
        "version": each.manifest_version or 1,
    }


def _text(manifest: Any) -> str:
    """Returns a manifest as YAML text, of which JSON is a part."""
    if isinstance(manifest, str):
        try:
            manifest = yaml.safe_load(manifest)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"The manifest is no YAML: {error}.", remedy="Correct it and send it again."
            ) from error
    if not isinstance(manifest, dict):
        raise ConfigError(
            "The manifest is no object.", remedy="Send the manifest's YAML as an object."
        )
    return msgspec.json.encode(manifest).decode()


def _name(kind: ConnectorKind, given: str) -> str:
    plain = "-".join("".join(c if c.isalnum() else " " for c in given.lower()).split())
    return plain if plain.startswith(f"{kind}-") else f"{kind}-{plain}"
