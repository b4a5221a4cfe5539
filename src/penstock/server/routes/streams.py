"""What a source was last found to have: short, so that ten thousand streams are a quick list."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel

from penstock.control.accounts import Role
from penstock.control.model import ConnectorKind, StreamChoice
from penstock.control.schema_changes import best_choice
from penstock.control.store import connectors, discoveries
from penstock.errors import UnknownName
from penstock.protocol.catalog import Catalog, SyncMode
from penstock.server.site import ActorNeeded, SiteNeeded

router = APIRouter(prefix="/sources", tags=["sources"])


class StreamFound(BaseModel):
    """One stream of a source."""

    name: str
    namespace: str | None
    sync_modes: list[SyncMode]
    source_defined_cursor: bool
    default_cursor_field: list[str]
    source_defined_primary_key: list[list[str]]
    fields: list[str]
    """The names of its properties."""
    suggested: StreamChoice
    """As little read and as exactly written as it allows."""


class StreamsFound(BaseModel):
    """A part of what a source has; `total` counts all that fit the search."""

    catalog_id: str
    discovered_at: datetime
    items: list[StreamFound]
    next: str | None
    total: int


@router.get("/{connector_id}/streams")
def list_streams(
    connector_id: str,
    actor: ActorNeeded,
    site: SiteNeeded,
    q: Annotated[str | None, Query(description="A part of the name.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many items.")] = 500,
    after: Annotated[str | None, Query(description="`next` of before.", pattern="^[0-9]+$")] = None,
) -> StreamsFound:
    """Lists the streams that the newest discovery of a source found."""
    with site.store.read() as tx:
        source = connectors.get(tx, connector_id, ConnectorKind.SOURCE)
        actor.require(Role.READER, source.workspace_id)
        newest = discoveries.newest_catalog(tx, connector_id)
    if newest is None:
        raise UnknownName(
            f"Nobody has asked {source.name} yet what it has.",
            remedy="Ask it: POST /api/v1/probes/discover.",
        )
    needle = (q or "").lower()
    streams = [
        each
        for each in msgspec.convert(newest.catalog, Catalog).streams
        if needle in f"{each.namespace or ''}.{each.name}".lower()
    ]
    begin = int(after or 0)
    end = begin + limit
    return StreamsFound(
        catalog_id=newest.id,
        discovered_at=newest.discovered_at,
        items=[
            StreamFound(
                name=each.name,
                namespace=each.namespace,
                sync_modes=list(each.supported_sync_modes),
                source_defined_cursor=bool(each.source_defined_cursor),
                default_cursor_field=list(each.default_cursor_field or ()),
                source_defined_primary_key=[
                    list(path) for path in each.source_defined_primary_key or ()
                ],
                fields=list(each.json_schema.get("properties") or ()),
                suggested=best_choice(msgspec.to_builtins(each)),
            )
            for each in streams[begin:end]
        ],
        next=str(end) if end < len(streams) else None,
        total=len(streams),
    )
