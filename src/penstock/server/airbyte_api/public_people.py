"""Airbyte's public API: workspaces, tags, users and what they may do, organizations, programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import PlainTextResponse

from penstock.control.accounts import Application, Permission, Role
from penstock.control.model import Workspace
from penstock.control.secrets import AIRBYTE_MASK
from penstock.control.store import Window, connections, people, workspaces
from penstock.errors import UnknownName
from penstock.server.airbyte_api import words
from penstock.server.airbyte_api.answers import (
    AskedFor,
    Body,
    Json,
    listed,
    public_router,
    seconds,
    without_nulls,
)
from penstock.server.airbyte_api.public_connectors import wanted_workspaces
from penstock.server.site import ActorNeeded, SiteNeeded

router = public_router()
_EVERYTHING = Window(limit=10_000)


class WorkspaceCreate(Body):
    """A new workspace."""

    name: str
    notifications: dict[str, Any] | None = None


class WorkspacePatch(Body):
    """What is to change."""

    name: str | None = None
    notifications: dict[str, Any] | None = None


class TagCreate(Body):
    """A new tag."""

    name: str
    color: str
    workspace_id: str


class TagPatch(Body):
    """What is to change."""

    name: str | None = None
    color: str | None = None


class PermissionCreate(Body):
    """A role for a user: in a workspace, else everywhere."""

    permission_type: str
    user_id: str
    workspace_id: str | None = None
    organization_id: str | None = None


class PermissionPatch(Body):
    """Another role."""

    permission_type: str


class ApplicationCreate(Body):
    """A program that gets tokens for its id and secret."""

    name: str


@router.get("/health", name="airbyte_health")
def health(site: SiteNeeded) -> Response:
    """Tells that the server and its database work; needs nobody to be signed in."""
    with site.store.read() as tx:
        workspaces.list_(tx, Window(limit=1))
    return PlainTextResponse("Successful operation")


@router.get("/workspaces", name="airbyte_list_workspaces")
def list_workspaces(
    actor: ActorNeeded,
    site: SiteNeeded,
    asked: AskedFor,
    workspace_ids: Annotated[list[str] | None, Query(alias="workspaceIds")] = None,
    *,
    include_deleted: Annotated[bool, Query(alias="includeDeleted")] = False,
) -> Json:
    """Lists workspaces."""
    wanted = wanted_workspaces(actor, workspace_ids)
    with site.store.read() as tx:
        found = workspaces.list_(tx, asked.window, ids=wanted, with_deleted=include_deleted).items
    return asked.page([_workspace(each) for each in found])


@router.post("/workspaces", name="airbyte_create_workspace")
def create_workspace(body: WorkspaceCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Makes a workspace."""
    actor.require(Role.ADMIN, None)
    made = site.plane.administering.create_workspace(
        body.name, notifications=body.notifications, by=actor
    )
    return _workspace(made)


@router.get("/workspaces/{workspace_id}", name="airbyte_get_workspace")
def get_workspace(workspace_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a workspace."""
    with site.store.read() as tx:
        found = workspaces.get(tx, workspace_id)
    actor.require(Role.READER, workspace_id)
    return _workspace(found)


@router.patch("/workspaces/{workspace_id}", name="airbyte_patch_workspace")
def patch_workspace(
    workspace_id: str, body: WorkspacePatch, actor: ActorNeeded, site: SiteNeeded
) -> Json:
    """Changes a workspace."""
    actor.require(Role.ADMIN, workspace_id)
    return _workspace(
        site.plane.administering.update_workspace(
            workspace_id, name=body.name, notifications=body.notifications, by=actor
        )
    )


@router.delete("/workspaces/{workspace_id}", name="airbyte_delete_workspace")
def delete_workspace(workspace_id: str, actor: ActorNeeded, site: SiteNeeded) -> Response:
    """Removes a workspace and what is configured in it; tables stay."""
    actor.require(Role.ADMIN, workspace_id)
    site.plane.administering.delete_workspace(workspace_id, by=actor)
    return Response(status_code=204)


@router.get("/tags", name="airbyte_list_tags")
def list_tags(
    actor: ActorNeeded,
    site: SiteNeeded,
    workspace_ids: Annotated[list[str] | None, Query(alias="workspaceIds")] = None,
) -> Json:
    """Lists tags."""
    with site.store.read() as tx:
        found = connections.list_tags(tx, wanted_workspaces(actor, workspace_ids))
    return {"data": [words.tag(each) for each in found]}


@router.post("/tags", name="airbyte_create_tag")
def create_tag(body: TagCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Makes a tag."""
    actor.require(Role.EDITOR, body.workspace_id)
    return words.tag(
        site.plane.administering.create_tag(body.workspace_id, body.name, body.color, by=actor)
    )


@router.get("/tags/{tag_id}", name="airbyte_get_tag")
def get_tag(tag_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns a tag."""
    with site.store.read() as tx:
        found = connections.get_tag(tx, tag_id)
    actor.require(Role.READER, found.workspace_id)
    return words.tag(found)


@router.patch("/tags/{tag_id}", name="airbyte_patch_tag")
def patch_tag(tag_id: str, body: TagPatch, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Changes a tag."""
    with site.store.read() as tx:
        actor.require(Role.EDITOR, connections.get_tag(tx, tag_id).workspace_id)
    return words.tag(
        site.plane.administering.update_tag(tag_id, name=body.name, color=body.color, by=actor)
    )


@router.delete("/tags/{tag_id}", name="airbyte_delete_tag")
def delete_tag(tag_id: str, actor: ActorNeeded, site: SiteNeeded) -> Response:
    """Removes a tag."""
    with site.store.read() as tx:
        actor.require(Role.EDITOR, connections.get_tag(tx, tag_id).workspace_id)
    site.plane.administering.delete_tag(tag_id, by=actor)
    return Response(status_code=204)


@router.get("/users", name="airbyte_list_users")
def list_users(
    actor: ActorNeeded,
    site: SiteNeeded,
    ids: Annotated[list[str] | None, Query()] = None,
    emails: Annotated[list[str] | None, Query()] = None,
) -> Json:
    """Lists the users of the installation."""
    actor.require(Role.ADMIN, None)
    with site.store.read() as tx:
        found = people.list_users(tx, _EVERYTHING, ids=listed(ids)).items
    addresses = listed(emails)
    return {
        "data": [
            {"id": each.id, "name": each.name, "email": each.email}
            for each in found
            if addresses is None or each.email in {address.lower() for address in addresses}
        ]
    }


@router.get("/organizations", name="airbyte_list_organizations")
def list_organizations(actor: ActorNeeded) -> Json:
    """Returns the one organization that an installation is."""
    return {
        "data": [
            {
                "organizationId": words.ORGANIZATION,
                "organizationName": "penstock",
                "email": actor.user.email,
            }
        ]
    }


@router.get("/permissions", name="airbyte_list_permissions")
def list_permissions(
    actor: ActorNeeded,
    site: SiteNeeded,
    user_id: Annotated[str | None, Query(alias="userId")] = None,
) -> Json:
    """Lists what a user may do; without one, what oneself may."""
    wanted = user_id or actor.id
    if wanted != actor.id:
        actor.require(Role.ADMIN, None)
    with site.store.read() as tx:
        found = people.permissions_of(tx, wanted)
    return {
        "data": [
            {
                "permissionId": each.id,
                "permissionType": words.permission_type(each.role, each.workspace_id),
                "userId": each.user_id,
                "scopeId": each.workspace_id or words.ORGANIZATION,
                "scope": "workspace" if each.workspace_id else "organization",
            }
            for each in found
        ]
    }


@router.post("/permissions", name="airbyte_create_permission")
def create_permission(body: PermissionCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Gives a user a role."""
    actor.require(Role.ADMIN, body.workspace_id)
    role = words.role_of(body.permission_type)
    return _permission(
        site.plane.administering.grant(body.user_id, body.workspace_id, role, by=actor)
    )


@router.get("/permissions/{permission_id}", name="airbyte_get_permission")
def get_permission(permission_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns one thing a user may do."""
    with site.store.read() as tx:
        found = people.permission(tx, permission_id)
    if found.user_id != actor.id:
        actor.require(Role.ADMIN, found.workspace_id)
    return _permission(found)


@router.patch("/permissions/{permission_id}", name="airbyte_patch_permission")
def patch_permission(
    permission_id: str, body: PermissionPatch, actor: ActorNeeded, site: SiteNeeded
) -> Json:
    """Makes it another role."""
    with site.store.read() as tx:
        actor.require(Role.ADMIN, people.permission(tx, permission_id).workspace_id)
    role = words.role_of(body.permission_type)
    return _permission(site.plane.administering.change_role(permission_id, role, by=actor))


@router.delete("/permissions/{permission_id}", name="airbyte_delete_permission")
def delete_permission(permission_id: str, actor: ActorNeeded, site: SiteNeeded) -> Response:
    """Takes a role away."""
    with site.store.read() as tx:
        actor.require(Role.ADMIN, people.permission(tx, permission_id).workspace_id)
    site.plane.administering.revoke(permission_id, by=actor)
    return Response(status_code=204)


@router.get("/applications", name="airbyte_list_applications")
def list_applications(actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Lists one's own applications; a secret is shown when it is made, and not again."""
    with site.store.read() as tx:
        found = people.applications_of(tx, actor.id)
    return {"applications": [_application(each, AIRBYTE_MASK) for each in found]}


@router.post("/applications", name="airbyte_create_application")
def create_application(body: ApplicationCreate, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Makes an application and shows its secret."""
    actor.require_whole()
    made, secret = site.access.new_application(actor.user, body.name, site.now())
    return _application(made, secret)


@router.get("/applications/{application_id}", name="airbyte_get_application")
def get_application(application_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Returns an application of one's own."""
    return _application(_own(application_id, actor, site), AIRBYTE_MASK)


@router.delete("/applications/{application_id}", name="airbyte_delete_application")
def delete_application(application_id: str, actor: ActorNeeded, site: SiteNeeded) -> Json:
    """Removes an application; its tokens are worthless at once."""
    gone = _own(application_id, actor, site)
    with site.store.write() as tx:
        people.delete_application(tx, application_id)
    return _application(gone, AIRBYTE_MASK)


def _own(application_id: str, actor: ActorNeeded, site: SiteNeeded) -> Application:
    with site.store.read() as tx:
        found = people.application(tx, application_id)
    if found.user_id != actor.id:
        raise UnknownName(
            f"There is no application {application_id} of yours.",
            remedy="List those there are.",
            resource_type="application",
            resource_id=application_id,
        )
    return found


def _workspace(own: Workspace) -> Json:
    return {
        "workspaceId": own.id,
        "name": own.name,
        "dataResidency": "auto",
        "notifications": own.notifications,
    }


def _permission(own: Permission) -> Json:
    return without_nulls(
        permissionId=own.id,
        permissionType=words.permission_type(own.role, own.workspace_id),
        userId=own.user_id,
        workspaceId=own.workspace_id,
        organizationId=None if own.workspace_id else words.ORGANIZATION,
    )


def _application(own: Application, secret: str) -> Json:
    return {
        "id": own.id,
        "name": own.name,
        "clientId": own.client_id,
        "clientSecret": secret,
        "createdAt": seconds(own.created_at),
    }
