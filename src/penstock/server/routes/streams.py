"""What a source has, as it was last discovered: its streams, page by page, and their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from penstock.control.accounts import Role
from penstock.control.model import ConnectorKind, DiscoveredCatalog, StreamChoice
from penstock.control.schema_changes import best_choice
from penstock.control.store import connectors, discoveries
from penstock.errors import ConfigError, UnknownName
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, Site, SiteNeeded

router = own_router("/sources", tag="sources")


class StreamSummary(BaseModel):
    """One stream of a source, without its schema."""

    name: str
    namespace: str | None
    supported_sync_modes: list[str]
    source_defined_cursor: bool
    default_cursor_field: list[str]
    source_defined_primary_key: list[list[str]]
    fields: int
    """How many there are at the top."""
    suggested: StreamChoice
    """As little read and as exactly written as it allows."""


class Streams(BaseModel):
    """A part of the list, in the source's order."""

    items: list[StreamSummary]
    next: str | None
    total: int
    """How many there are that fit."""
    catalog_id: str
    discovered_at: datetime


class FieldShown(BaseModel):
    """A property of a stream's rows."""

    path: list[str]
    json_schema: dict[str, Any]


class Fields(BaseModel):
    """The properties at the top of a stream's rows."""

    items: list[FieldShown]


@router.get("/{source_id}/streams")
def list_source_streams(
    source_id: str,
    actor: ActorNeeded,
    site: SiteNeeded,
    q: Annotated[str | None, Query(description="A part of the name, in any case.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many items.")] = 500,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Streams:
    """Lists the streams of a source; POST /probes/discover brings them up to date."""
    known = _catalog(site, source_id, actor)
    part = (q or "").lower()
    found = [each for each in known.catalog["streams"] if part in each["name"].lower()]
    begin = _position(after)
    end = begin + limit
    return Streams(
        items=[_summary(each) for each in found[begin:end]],
        next=str(end) if end < len(found) else None,
        total=len(found),
        catalog_id=known.id,
        discovered_at=known.discovered_at,
    )


@router.get("/{source_id}/fields")
def list_source_fields(
    source_id: str,
    stream: str,
    actor: ActorNeeded,
    site: SiteNeeded,
    namespace: str | None = None,
) -> Fields:
    """Returns the fields of one stream."""
    known = _catalog(site, source_id, actor)
    for each in known.catalog["streams"]:
        if (each["name"], each.get("namespace") or None) == (stream, namespace or None):
            return Fields(items=list(_fields(each)))
    raise UnknownName(
        f"The source has no stream {stream}"
        + (f" in the namespace {namespace}." if namespace else "."),
        remedy=f"See GET /api/v1/sources/{source_id}/streams.",
    )


def _catalog(site: Site, source_id: str, actor: ActorNeeded) -> DiscoveredCatalog:
    with site.store.read() as tx:
        source = connectors.get(tx, source_id, ConnectorKind.SOURCE)
        known = discoveries.newest_catalog(tx, source_id)
    actor.require(Role.READER, source.workspace_id)
    if known is None:
        raise UnknownName(
            f"{source.name} was not asked yet what it has.",
            remedy='Ask it: POST /api/v1/probes/discover {"source_id": …}.',
        )
    return known


def _position(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit()) or len(after) > 9:
        raise ConfigError(
            f"{after!r} is no cursor of this list.",
            remedy="Take it from the page before, or leave it out for the first page.",
        )
    return int(after)


def _summary(each: Mapping[str, Any]) -> StreamSummary:
    return StreamSummary(
        name=each["name"],
        namespace=each.get("namespace"),
        supported_sync_modes=each.get("supported_sync_modes") or ["full_refresh"],
        source_defined_cursor=bool(each.get("source_defined_cursor", False)),
        default_cursor_field=each.get("default_cursor_field") or [],
        source_defined_primary_key=each.get("source_defined_primary_key") or [],
        fields=len((each.get("json_schema") or {}).get("properties") or {}),
        suggested=best_choice(each),
    )


def _fields(each: Mapping[str, Any]) -> Iterator[FieldShown]:
    properties = (each.get("json_schema") or {}).get("properties") or {}
    for name, schema in properties.items():
        yield FieldShown(path=[name], json_schema=schema if isinstance(schema, dict) else {})
