"""Workspaces, tags, users and their roles, and who did what: each a small resource."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from penstock.control.accounts import Permission, Role, User
from penstock.control.model import Tag, Workspace
from penstock.control.store import Transaction, audit, connections, people, workspaces
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, SiteNeeded, WindowAsked

router = own_router()


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewWorkspace(_Given):
    """What a workspace is made of, or what is to change."""

    name: str


class TagFields(_Given):
    """What is to change of a tag."""

    name: str | None = None
    color: str | None = None


class NewTag(_Given):
    """A word on connections."""

    workspace_id: str
    name: str
    color: str
    """Six hexadecimal digits without `#`."""


class Tags(BaseModel):
    """The tags of one or of all workspaces, by name."""

    items: list[Tag]


class Workspaces(BaseModel):
    """A part of the list, the oldest first."""

    items: list[Workspace]
    next: str | None


class RoleGiven(_Given):
    """A role in a workspace, or everywhere (null)."""

    workspace_id: str | None = None
    role: Role


class PermissionShown(BaseModel):
    """A role somebody has."""

    id: str
    user_id: str
    workspace_id: str | None
    role: Role


class UserShown(BaseModel):
    """Somebody who signs in."""

    id: str
    email: str
    name: str
    has_password: bool
    is_disabled: bool
    created_at: datetime
    last_login_at: datetime | None
    permissions: list[PermissionShown]


class Users(BaseModel):
    """A part of the list, the oldest first."""

    items: list[UserShown]
    next: str | None


class NewUser(_Given):
    """Somebody new; without a password they sign in by a link."""

    email: str
    name: str = ""
    password: str | None = None
    roles: list[RoleGiven] = Field(default_factory=list)


class UserFields(_Given):
    """What is to change of a user."""

    name: str | None = None
    password: str | None = None
    is_disabled: bool | None = None


class LinkMade(BaseModel):
    """The secret of a link that signs somebody in once, within a day: /login#SECRET."""

    secret: str


class AuditShown(BaseModel):
    """One thing somebody did."""

    id: int
    at: datetime
    actor: str
    action: str
    target_kind: str
    target_id: str
    workspace_id: str | None
    detail: dict[str, Any]


class Audit(BaseModel):
    """A part of the list, the newest first."""

    items: list[AuditShown]
    next: str | None


@router.get("/workspaces", tags=["workspaces"])
def list_workspaces(actor: ActorNeeded, site: SiteNeeded, window: WindowAsked) -> Workspaces:
    """Lists the workspaces one sees."""
    with site.store.read() as tx:
        found = workspaces.list_(tx, window, ids=actor.workspace_ids())
    return Workspaces(items=list(found.items), next=found.next)


@router.post("/workspaces", status_code=201, tags=["workspaces"])
def create_workspace(body: NewWorkspace, actor: ActorNeeded, site: SiteNeeded) -> Workspace:
    """Makes a workspace."""
    actor.require(Role.ADMIN, None)
    return site.plane.administering.create_workspace(body.name, by=actor)


@router.patch("/workspaces/{workspace_id}", tags=["workspaces"])
def change_workspace(
    workspace_id: str, body: NewWorkspace, actor: ActorNeeded, site: SiteNeeded
) -> Workspace:
    """Gives a workspace another name."""
    actor.require(Role.ADMIN, workspace_id)
    return site.plane.administering.update_workspace(workspace_id, name=body.name, by=actor)


@router.delete("/workspaces/{workspace_id}", status_code=204, tags=["workspaces"])
def delete_workspace(workspace_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Removes a workspace and what is configured in it; tables stay."""
    actor.require(Role.ADMIN, workspace_id)
    site.plane.administering.delete_workspace(workspace_id, by=actor)


@router.get("/tags", tags=["tags"])
def list_tags(actor: ActorNeeded, site: SiteNeeded, workspace_id: str | None = None) -> Tags:
    """Lists tags, by name."""
    wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in wanted or ():
        actor.require(Role.READER, each)
    with site.store.read() as tx:
        return Tags(items=list(connections.list_tags(tx, wanted)))


@router.post("/tags", status_code=201, tags=["tags"])
def create_tag(body: NewTag, actor: ActorNeeded, site: SiteNeeded) -> Tag:
    """Makes a tag."""
    actor.require(Role.EDITOR, body.workspace_id)
    return site.plane.administering.create_tag(body.workspace_id, body.name, body.color, by=actor)


@router.patch("/tags/{tag_id}", tags=["tags"])
def change_tag(tag_id: str, body: TagFields, actor: ActorNeeded, site: SiteNeeded) -> Tag:
    """Changes a tag."""
    with site.store.read() as tx:
        actor.require(Role.EDITOR, connections.get_tag(tx, tag_id).workspace_id)
    return site.plane.administering.update_tag(tag_id, name=body.name, color=body.color, by=actor)


@router.delete("/tags/{tag_id}", status_code=204, tags=["tags"])
def delete_tag(tag_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Removes a tag, also from its connections."""
    with site.store.read() as tx:
        actor.require(Role.EDITOR, connections.get_tag(tx, tag_id).workspace_id)
    site.plane.administering.delete_tag(tag_id, by=actor)


@router.get("/users", tags=["users"])
def list_users(actor: ActorNeeded, site: SiteNeeded, window: WindowAsked) -> Users:
    """Lists users and their roles."""
    actor.require(Role.ADMIN, None)
    with site.store.read() as tx:
        found = people.list_users(tx, window)
        items = [_user_shown(tx, each) for each in found.items]
    return Users(items=items, next=found.next)


@router.post("/users", status_code=201, tags=["users"])
def create_user(body: NewUser, actor: ActorNeeded, site: SiteNeeded) -> UserShown:
    """Makes a user, with roles."""
    actor.require(Role.ADMIN, None)
    kept = site.access.hash_password(body.password) if body.password is not None else None
    made = site.plane.administering.create_user(body.email, body.name, kept, by=actor)
    for each in body.roles:
        site.plane.administering.grant(made.id, each.workspace_id, each.role, by=actor)
    with site.store.read() as tx:
        return _user_shown(tx, made)


@router.patch("/users/{user_id}", tags=["users"])
def change_user(user_id: str, body: UserFields, actor: ActorNeeded, site: SiteNeeded) -> UserShown:
    """Changes a user; oneself may change one's own name and password."""
    if user_id != actor.id or body.is_disabled is not None:
        actor.require(Role.ADMIN, None)
    actor.require_whole()
    kept = site.access.hash_password(body.password) if body.password is not None else None
    changed = site.plane.administering.update_user(
        user_id, name=body.name, password_hash=kept, is_disabled=body.is_disabled, by=actor
    )
    with site.store.read() as tx:
        return _user_shown(tx, changed)


@router.delete("/users/{user_id}", status_code=204, tags=["users"])
def delete_user(user_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Removes a user; what they made stays."""
    actor.require(Role.ADMIN, None)
    site.plane.administering.delete_user(user_id, by=actor)


@router.post("/users/{user_id}/link", status_code=201, tags=["users"])
def create_link(user_id: str, actor: ActorNeeded, site: SiteNeeded) -> LinkMade:
    """Makes a link that signs a user in once, within a day."""
    actor.require(Role.ADMIN, None)
    actor.require_whole()
    with site.store.read() as tx:
        user = people.user(tx, user_id)
    return LinkMade(secret=site.access.new_link(user, site.now()))


@router.post("/users/{user_id}/permissions", status_code=201, tags=["users"])
def grant_role(
    user_id: str, body: RoleGiven, actor: ActorNeeded, site: SiteNeeded
) -> PermissionShown:
    """Gives a user a role, instead of the one they had there."""
    actor.require(Role.ADMIN, body.workspace_id)
    granted = site.plane.administering.grant(user_id, body.workspace_id, body.role, by=actor)
    return _permission_shown(granted)


@router.delete("/permissions/{permission_id}", status_code=204, tags=["users"])
def revoke_role(permission_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Takes a role away."""
    with site.store.read() as tx:
        actor.require(Role.ADMIN, people.permission(tx, permission_id).workspace_id)
    site.plane.administering.revoke(permission_id, by=actor)


@router.get("/audit", tags=["audit"])
def list_audit(
    actor: ActorNeeded, site: SiteNeeded, window: WindowAsked, workspace_id: str | None = None
) -> Audit:
    """Lists who administered what, the newest first."""
    actor.require(Role.ADMIN, workspace_id)
    with site.store.read() as tx:
        found = audit.list_(tx, window, workspace_id=workspace_id)
    items = [
        AuditShown(
            id=each.id,
            at=each.at,
            actor=each.actor,
            action=each.action,
            target_kind=each.target_kind,
            target_id=each.target_id,
            workspace_id=each.workspace_id,
            detail=each.detail,
        )
        for each in found.items
    ]
    return Audit(items=items, next=found.next)


def _user_shown(tx: Transaction, user: User) -> UserShown:
    return UserShown(
        id=user.id,
        email=user.email,
        name=user.name,
        has_password=user.password_hash is not None,
        is_disabled=user.is_disabled,
        created_at=user.created_at,
        last_login_at=user.last_login_at,
        permissions=[_permission_shown(each) for each in people.permissions_of(tx, user.id)],
    )


def _permission_shown(each: Permission) -> PermissionShown:
    return PermissionShown(
        id=each.id, user_id=each.user_id, workspace_id=each.workspace_id, role=each.role
    )
