"""Channels: where people and programs are told what happened, with a trial and what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from penstock.control.accounts import Role
from penstock.control.history import Delivery, DeliveryStatus
from penstock.control.model import Channel, ChannelKind
from penstock.control.notifying.channels import EVENT_KINDS, SPECS
from penstock.control.secrets import shown
from penstock.control.store import events
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, Site, SiteNeeded, WindowAsked

router = own_router("/channels", tag="channels")

_LARGEST_ID = (1 << 63) - 1


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ChannelShown(BaseModel):
    """A channel; its secrets are masked as `**********`."""

    id: str
    workspace_id: str
    name: str
    kind: ChannelKind
    config: dict[str, Any]
    events: list[str]
    """Kinds of events it is told; "*" is every one."""
    is_enabled: bool
    created_at: datetime


class ChannelList(BaseModel):
    """The channels of a workspace, by name."""

    items: list[ChannelShown]


class ChannelFields(_Given):
    """What is to change of a channel; a masked secret stays as it is."""

    name: str | None = None
    config: dict[str, Any] | None = None
    events: list[str] | None = None
    is_enabled: bool | None = None


class NewChannel(_Given):
    """What a channel is made of; `GET /channels/kinds` says what each kind takes."""

    workspace_id: str
    name: str
    kind: ChannelKind
    config: dict[str, Any]
    events: list[str] = Field(default_factory=lambda: ["run.failed", "connection.disabled"])
    is_enabled: bool = True


class KindShown(BaseModel):
    """One kind of channel, and the JSON Schema of its settings."""

    kind: ChannelKind
    title: str
    spec: dict[str, Any]


class EventKind(BaseModel):
    """One kind of event, in words."""

    kind: str
    description: str


class ChannelKinds(BaseModel):
    """What channels there can be, and what they can be told."""

    kinds: list[KindShown]
    events: list[EventKind]


class DeliveryShown(BaseModel):
    """One notification on its way to a channel, or there."""

    id: int
    event_id: int
    kind: str
    status: DeliveryStatus
    tries: int
    next_at: datetime
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


class Deliveries(BaseModel):
    """A part of the list, the newest first."""

    items: list[DeliveryShown]
    next: str | None


@router.get("/kinds")
def list_channel_kinds(actor: ActorNeeded) -> ChannelKinds:
    """Lists the kinds of channels with their settings, and the events they can be told."""
    del actor
    return ChannelKinds(
        kinds=[
            KindShown(kind=kind, title=spec["title"], spec=spec) for kind, spec in SPECS.items()
        ],
        events=[EventKind(kind=kind, description=text) for kind, text in EVENT_KINDS.items()],
    )


@router.get("")
def list_channels(workspace_id: str, actor: ActorNeeded, site: SiteNeeded) -> ChannelList:
    """Lists the channels of a workspace."""
    actor.require(Role.ADMIN, workspace_id)
    with site.store.read() as tx:
        found = events.channels_of(tx, workspace_id)
    return ChannelList(items=[_shown(each) for each in found])


@router.post("", status_code=201)
def create_channel(body: NewChannel, actor: ActorNeeded, site: SiteNeeded) -> ChannelShown:
    """Makes a channel; its secrets are encrypted."""
    actor.require(Role.ADMIN, body.workspace_id)
    made = site.plane.channels.create(
        workspace_id=body.workspace_id,
        name=body.name,
        kind=body.kind,
        config=body.config,
        kinds=tuple(body.events),
        is_enabled=body.is_enabled,
        actor=actor.name,
    )
    return _shown(made)


@router.get("/{channel_id}")
def get_channel(channel_id: str, actor: ActorNeeded, site: SiteNeeded) -> ChannelShown:
    """Returns a channel."""
    return _shown(_seen(site, channel_id, actor))


@router.patch("/{channel_id}")
def change_channel(
    channel_id: str, body: ChannelFields, actor: ActorNeeded, site: SiteNeeded
) -> ChannelShown:
    """Changes a channel."""
    _seen(site, channel_id, actor)
    changed = site.plane.channels.update(
        channel_id,
        name=body.name,
        config=body.config,
        kinds=None if body.events is None else tuple(body.events),
        is_enabled=body.is_enabled,
        actor=actor.name,
    )
    return _shown(changed)


@router.delete("/{channel_id}", status_code=204)
def delete_channel(channel_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Removes a channel, and what is on its way to it."""
    _seen(site, channel_id, actor)
    site.plane.channels.delete(channel_id, actor=actor.name)


@router.post("/{channel_id}/test", status_code=204)
def test_channel(channel_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Sends a trial to a channel, now; says what the other side says if it fails."""
    _seen(site, channel_id, actor)
    site.plane.courier.test(channel_id)


@router.get("/{channel_id}/deliveries")
def list_deliveries(
    channel_id: str, actor: ActorNeeded, site: SiteNeeded, window: WindowAsked
) -> Deliveries:
    """Lists what was sent to a channel, waits, or was given up."""
    _seen(site, channel_id, actor)
    with site.store.read() as tx:
        found = events.deliveries_of(tx, channel_id, window)
    return Deliveries(items=[_delivery_shown(each) for each in found.items], next=found.next)


@router.post("/{channel_id}/deliveries/{delivery_id}/retry")
def retry_delivery(
    channel_id: str,
    delivery_id: Annotated[int, Path(ge=1, le=_LARGEST_ID)],
    actor: ActorNeeded,
    site: SiteNeeded,
) -> DeliveryShown:
    """Sends again what was given up."""
    _seen(site, channel_id, actor)
    return _delivery_shown(site.plane.courier.try_again(channel_id, delivery_id))


def _seen(site: Site, channel_id: str, actor: ActorNeeded) -> Channel:
    with site.store.read() as tx:
        found = events.channel(tx, channel_id)
    actor.require(Role.ADMIN, found.workspace_id)
    return found


def _shown(channel: Channel) -> ChannelShown:
    return ChannelShown(
        id=channel.id,
        workspace_id=channel.workspace_id,
        name=channel.name,
        kind=channel.kind,
        config=shown(channel.config, SPECS[channel.kind]),
        events=list(channel.events),
        is_enabled=channel.is_enabled,
        created_at=channel.created_at,
    )


def _delivery_shown(each: Delivery) -> DeliveryShown:
    return DeliveryShown(
        id=each.id,
        event_id=each.event_id,
        kind=str(each.payload.get("kind", "")),
        status=each.status,
        tries=each.tries,
        next_at=each.next_at,
        last_error=each.last_error,
        created_at=each.created_at,
        sent_at=each.sent_at,
    )
