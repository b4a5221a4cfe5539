"""Where a connection continues, and how it differs from what its source has."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import BaseModel, ConfigDict

from penstock.control.accounts import Role
from penstock.control.approving import Approval, difference
from penstock.control.model import StreamChoice
from penstock.control.store import discoveries, states
from penstock.protocol.codec import decode_states
from penstock.server.routes.connections import ConnectionShown, one_shown, seen
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, SiteNeeded, WindowAsked

router = own_router("/connections", tag="connections")


class SchemaChangeShown(BaseModel):
    """A difference between what a connection uses and what its source has."""

    id: int
    found_at: datetime
    is_breaking: bool
    is_applied: bool
    changes: list[dict[str, Any]]


class SchemaChanges(BaseModel):
    """A part of the list, the newest first."""

    items: list[SchemaChangeShown]
    next: str | None


class StreamNamed(BaseModel):
    """A stream of a source."""

    namespace: str | None
    name: str


class ChangeShown(BaseModel):
    """One difference; `field` is empty for a whole stream."""

    transform: str
    """add_stream, remove_stream, add_field, remove_field, update_field or update_key."""
    stream: StreamNamed
    field: str
    old: Any
    new: Any
    is_breaking: bool


class SchemaDifference(BaseModel):
    """How what a connection reads by differs from what its source was last found to have."""

    catalog_id: str
    """To be named in an approval."""
    discovered_at: datetime
    is_breaking: bool
    changes: list[ChangeShown]


class NewApproval(BaseModel):
    """What is taken over of a changed schema."""

    model_config = ConfigDict(extra="forbid")

    catalog_id: str
    """The one that was looked at."""
    added: list[tuple[str | None, str]] = []
    """(namespace, name) of new streams to be read."""
    streams: list[StreamChoice] | None = None
    """Choices instead of those there are, as where a key is gone."""
    backfills: bool = False
    """Reads streams with new fields from the beginning."""
    switches_on: bool = True


class StateShown(BaseModel):
    """Where one stream continues."""

    name: str
    """Empty for the global state."""
    namespace: str | None
    state: Any
    generation_id: int
    is_override: bool
    updated_at: datetime


class NewStates(BaseModel):
    """States as connectors write them (`{"type": "STREAM", "stream": …}`)."""

    states: list[dict[str, Any]]


@router.get("/{connection_id}/states")
def list_states(connection_id: str, actor: ActorNeeded, site: SiteNeeded) -> list[StateShown]:
    """Returns where each stream continues; the global state has no name."""
    seen(site, connection_id, actor, Role.READER)
    with site.store.read() as tx:
        return [
            StateShown(
                name=each.name,
                namespace=each.namespace,
                state=msgspec.json.decode(each.state),
                generation_id=each.generation_id,
                is_override=each.is_override,
                updated_at=each.updated_at,
            )
            for each in states.of_connection(tx, connection_id)
        ]


@router.put("/{connection_id}/states", status_code=204)
def set_states(connection_id: str, body: NewStates, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Sets where the next run begins; streams that are not named keep theirs."""
    seen(site, connection_id, actor, Role.EDITOR)
    given = decode_states(msgspec.json.encode(body.states))
    site.plane.configuring.set_states(connection_id, given, actor=actor.name)


@router.delete("/{connection_id}/states", status_code=204)
def reset_states(
    connection_id: str,
    actor: ActorNeeded,
    site: SiteNeeded,
    stream: Annotated[str | None, Query(description="Only of this stream.")] = None,
    namespace: str | None = None,
) -> None:
    """Lets the next run read everything, or one stream, from the beginning; rows stay."""
    seen(site, connection_id, actor, Role.EDITOR)
    wanted = None if stream is None else [(namespace or None, stream)]
    site.plane.configuring.reset_states(connection_id, wanted, actor=actor.name)


@router.get("/{connection_id}/schema-changes")
def list_schema_changes(
    connection_id: str, actor: ActorNeeded, site: SiteNeeded, window: WindowAsked
) -> SchemaChanges:
    """Lists what has changed in the connection's source, the newest first."""
    seen(site, connection_id, actor, Role.READER)
    with site.store.read() as tx:
        found = discoveries.changes_of(tx, connection_id, window)
    items = [
        SchemaChangeShown(
            id=each.id,
            found_at=each.found_at,
            is_breaking=each.is_breaking,
            is_applied=each.is_applied,
            changes=list(each.changes),
        )
        for each in found.items
    ]
    return SchemaChanges(items=items, next=found.next)


@router.get("/{connection_id}/schema-difference")
def get_schema_difference(
    connection_id: str, actor: ActorNeeded, site: SiteNeeded
) -> SchemaDifference:
    """Compares a connection with what its source has; POST /probes/discover asks that anew."""
    seen(site, connection_id, actor, Role.READER)
    with site.store.read() as tx:
        found = difference(tx, connection_id)
    return SchemaDifference(
        catalog_id=found.newest.id,
        discovered_at=found.newest.discovered_at,
        is_breaking=any(each.is_breaking for each in found.changes),
        changes=[
            ChangeShown(
                transform=each.transform,
                stream=StreamNamed(namespace=each.stream[0], name=each.stream[1]),
                field=each.field,
                old=each.old,
                new=each.new,
                is_breaking=each.is_breaking,
            )
            for each in found.changes
        ],
    )


@router.post("/{connection_id}/schema-approval")
def approve_schema(
    connection_id: str, body: NewApproval, actor: ActorNeeded, site: SiteNeeded
) -> ConnectionShown:
    """Lets a connection read by what its source has now, and switches it on again."""
    seen(site, connection_id, actor, Role.EDITOR)
    approval = Approval(
        catalog_id=body.catalog_id,
        added=[(namespace or None, name) for namespace, name in body.added],
        streams=None if body.streams is None else tuple(body.streams),
        backfills=body.backfills,
        switches_on=body.switches_on,
    )
    site.plane.approving.approve(connection_id, approval, actor=actor.name)
    return one_shown(site, connection_id)
