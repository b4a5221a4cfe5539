"""Airbyte's public API: sources, destinations, and the streams a source has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from penstock.control.access import Actor
from penstock.control.accounts import Role
from penstock.control.model import Connector, ConnectorKind, Definition, ModeName
from penstock.control.secrets import shown
from penstock.control.store import connectors, definitions
from penstock.errors import ConfigError
from penstock.server.airbyte_api import words
from penstock.server.airbyte_api.answers import (
    AskedFor,
    Body,
    Json,
    listed,
    public_router,
    without_nulls,
)
from penstock.server.site import ActorNeeded, Site, SiteNeeded

FRESH_SECONDS = 86_400.0
"""A source's streams are asked for again when the answer is a day old, as Airbyte does."""
_DEPTH = 20


class ConnectorCreate(Body):
    """A new source or destination."""

    name: str
    workspace_id: str
    configuration: dict[str, Any]
    definition_id: str | None = None


class ConnectorPatch(Body):
    """What is to change; objects in the configuration are merged."""

    name: str | None = None
    configuration: dict[str, Any] | None = None


class ConnectorPut(Body):
    """What takes the place of a source or destination."""

    name: str
    configuration: dict[str, Any]


def _routes(kind: ConnectorKind) -> APIRouter:
    """Returns the routes of one kind; the two differ in nothing but their names."""
    router = public_router(f"/{kind}s")

    @router.get("", name=f"airbyte_list_{kind}s")
    def list_(
        actor: ActorNeeded,
        site: SiteNeeded,
        asked: AskedFor,
        workspace_ids: Annotated[list[str] | None, Query(alias="workspaceIds")] = None,
        *,
        include_deleted: Annotated[bool, Query(alias="includeDeleted")] = False,
    ) -> Json:
        wanted = wanted_workspaces(actor, workspace_ids)
        with site.store.read() as tx:
            found = connectors.list_(
                tx, asked.window, kind, workspace_ids=wanted, with_deleted=include_deleted
            ).items
            items = [
                words.connector(each, definitions.find(tx, each.definition_id)) for each in found
            ]
        return asked.page(items)

    @router.post("", name=f"airbyte_create_{kind}")
    def create(body: ConnectorCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
        actor.require(Role.EDITOR, body.workspace_id)
        definition = _definition(site, kind, body)
        made = site.plane.configuring.create_connector(
            workspace_id=body.workspace_id,
            definition_id=definition.id,
            name=body.name,
            config=given(site, definition.id, body.configuration),
            actor=actor.name,
        )
        return _told(site, made)

    @router.get("/{connector_id}", name=f"airbyte_get_{kind}")
    def get(connector_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
        return _told(site, seen(site, connector_id, actor, Role.READER))

    @router.patch("/{connector_id}", name=f"airbyte_patch_{kind}")
    def patch(
        connector_id: str, body: ConnectorPatch, actor: ActorNeeded, site: SiteNeeded
    ) -> Json:
        before = seen(site, connector_id, actor, Role.EDITOR)
        config = None
        if body.configuration is not None:
            spec = site.plane.configuring.spec_of(before.definition_id)
            change = given(site, before.definition_id, body.configuration)
            config = words.merged(shown(before.config, spec), change)
        return _told(
            site,
            site.plane.configuring.update_connector(
                connector_id, name=body.name, config=config, actor=actor.name
            ),
        )

    @router.put("/{connector_id}", name=f"airbyte_put_{kind}")
    def put(connector_id: str, body: ConnectorPut, actor: ActorNeeded, site: SiteNeeded) -> Json:
        before = seen(site, connector_id, actor, Role.EDITOR)
        return _told(
            site,
            site.plane.configuring.update_connector(
                connector_id,
                name=body.name,
                config=given(site, before.definition_id, body.configuration),
                actor=actor.name,
            ),
        )

    @router.delete("/{connector_id}", name=f"airbyte_delete_{kind}")
    def delete(connector_id: str, actor: ActorNeeded, site: SiteNeeded) -> Response:
        seen(site, connector_id, actor, Role.EDITOR)
        site.plane.configuring.delete_connector(connector_id, actor=actor.name)
        return Response(status_code=204)

    def seen(site: Site, connector_id: str, actor: Actor, role: Role) -> Connector:
        with site.store.read() as tx:
            found = connectors.get(tx, connector_id, kind)
        actor.require(role, found.workspace_id)
        return found

    def given(site: Site, definition_id: str, config: Mapping[str, Any]) -> Json:
        """Returns a configuration as it is kept: without the type, settings by our names."""
        plain = {name: value for name, value in config.items() if name != f"{kind}Type"}
        return words.ours(plain, site.plane.configuring.spec_of(definition_id))

    return router


router = public_router()
for _kind in ConnectorKind:
    router.routes.extend(_routes(_kind).routes)


@router.get("/streams", name="airbyte_streams")
def list_streams(
    actor: ActorNeeded,
    site: SiteNeeded,
    source_id: Annotated[str, Query(alias="sourceId")],
    destination_id: Annotated[str | None, Query(alias="destinationId")] = None,
    *,
    ignore_cache: Annotated[bool, Query(alias="ignoreCache")] = False,
) -> list[Json]:
    """Returns the streams of a source: a bare array, as with Airbyte."""
    with site.store.read() as tx:
        source = connectors.get(tx, source_id, ConnectorKind.SOURCE)
        if destination_id is not None:
            connectors.get(tx, destination_id, ConnectorKind.DESTINATION)
    actor.require(Role.READER, source.workspace_id)
    found = site.plane.discover(source_id, max_age_seconds=0 if ignore_cache else FRESH_SECONDS)
    return [_stream(each, destination_id is not None) for each in found.catalog["streams"]]


def wanted_workspaces(actor: Actor, given: list[str] | None) -> tuple[str, ...] | None:
    """Returns the workspaces a list is for: those named, else all that the actor sees."""
    named = listed(given)
    for each in named or ():
        actor.require(Role.READER, each)
    return named or actor.workspace_ids()


def _definition(site: Site, kind: ConnectorKind, body: ConnectorCreate) -> Definition:
    word = body.configuration.get(f"{kind}Type")
    with site.store.read() as tx:
        if body.definition_id is not None:
            found = definitions.get(tx, body.definition_id)
            if found.kind is not kind:
                raise ConfigError(
                    f"{found.title} is no {kind}.", remedy=f"Give the id of a {kind}."
                )
            return found
        named = word and definitions.named(
            tx, kind, f"{kind}-{word}", workspace_id=body.workspace_id
        )
    if not named:
        raise ConfigError(
            f"There is no {kind} of the type {word!r}."
            if word
            else f"Neither definitionId nor configuration.{kind}Type says which {kind} it is.",
            remedy=f"See GET /connector_definitions?type={kind}.",
        )
    return named


def _told(site: Site, connector: Connector) -> Json:
    with site.store.read() as tx:
        return words.connector(connector, definitions.find(tx, connector.definition_id))


def _stream(each: Mapping[str, Any], has_destination: bool) -> Json:  # noqa: FBT001
    return without_nulls(
        streamName=each["name"],
        streamnamespace=each.get("namespace"),
        syncModes=_modes(each) if has_destination else None,
        defaultCursorField=each.get("default_cursor_field") or [],
        sourceDefinedCursorField=bool(each.get("source_defined_cursor", False)),
        sourceDefinedPrimaryKey=each.get("source_defined_primary_key") or [],
        propertyFields=list(_paths(each.get("json_schema") or {}, ())),
    )


def _modes(each: Mapping[str, Any]) -> list[str]:
    modes = [
        ModeName.FULL_REFRESH_OVERWRITE,
        ModeName.FULL_REFRESH_OVERWRITE_DEDUPED,
        ModeName.FULL_REFRESH_APPEND,
    ]
    if "incremental" in each.get("supported_sync_modes", ()):
        modes += [ModeName.INCREMENTAL_APPEND, ModeName.INCREMENTAL_DEDUPED_HISTORY]
    return [mode.value for mode in modes]


def _paths(schema: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[list[str]]:
    """Yields the path of every property, those within objects after the object's own."""
    for name, inner in (schema.get("properties") or {}).items():
        path = (*above, name)
        yield list(path)
        if isinstance(inner, Mapping) and len(path) < _DEPTH:
            yield from _paths(inner, path)
