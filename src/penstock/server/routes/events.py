"""What happens, as it does: pages that listen stay true without asking again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from penstock.control.accounts import Role
from penstock.control.history import Event
from penstock.control.store import connections, events
from penstock.server import live
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, SiteNeeded, WindowAsked

router = own_router("/events", tag="events")


class EventShown(BaseModel):
    """Something that happened."""

    id: int
    at: datetime
    kind: str
    workspace_id: str | None
    connection_id: str | None
    run_id: int | None
    actor: str | None
    data: dict[str, Any]


class Events(BaseModel):
    """A part of the list, the newest first."""

    items: list[EventShown]
    next: str | None


@router.get("")
def list_events(
    actor: ActorNeeded,
    site: SiteNeeded,
    window: WindowAsked,
    connection_id: str | None = None,
    workspace_id: str | None = None,
    kind: Annotated[list[str] | None, Query()] = None,
) -> Events:
    """Lists what happened to a connection or in a workspace, the newest first."""
    with site.store.read() as tx:
        if connection_id is not None:
            found = connections.get(tx, connection_id, with_deleted=True)
            actor.require(Role.READER, found.workspace_id)
        else:
            actor.require(Role.READER, workspace_id)
        page = events.timeline(
            tx, window, connection_id=connection_id, workspace_id=workspace_id, kinds=kind
        )
    return Events(items=[_shown(each) for each in page.items], next=page.next)


@router.get("/follow")
def follow_events(request: Request, actor: ActorNeeded, site: SiteNeeded) -> StreamingResponse:
    """Tells what happens from now on (server-sent events)."""
    with site.store.read() as tx:
        start = events.newest_id(tx)

    def look(last: str) -> list[tuple[str, str, object]]:
        newest = live.number_of(last)
        while True:
            with site.store.read() as tx:
                found = events.since(tx, newest)
            if not found:
                return []
            told: list[tuple[str, str, object]] = [
                (str(each.id), "event", _shown(each).model_dump(mode="json"))
                for each in found
                if actor.may(Role.READER, each.workspace_id)
            ]
            if told:
                return told
            newest = found[-1].id

    return live.follow(request, look, start=str(start))


def _shown(event: Event) -> EventShown:
    return EventShown(
        id=event.id,
        at=event.at,
        kind=event.kind,
        workspace_id=event.workspace_id,
        connection_id=event.connection_id,
        run_id=event.run_id,
        actor=event.actor,
        data=event.data,
    )
