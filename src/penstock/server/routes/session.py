"""Signing in and out, and who one is."""

from __future__ import annotations

from datetime import datetime

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from penstock.control.access import SESSION_LASTS, Actor, Opened
from penstock.control.accounts import Role
from penstock.control.store import workspaces
from penstock.control.store.rows import Window
from penstock.errors import ConfigError
from penstock.server.routes.own import own_router
from penstock.server.site import COOKIE, ActorNeeded, SiteNeeded, address_of

router = own_router("/session", tag="session")


class SignIn(BaseModel):
    """An e-mail address and its password, or the secret of a one-time link."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = None
    password: str | None = None
    link: str | None = None


class WorkspaceRole(BaseModel):
    """A workspace, and what one may do there."""

    id: str
    name: str
    role: Role


class SessionShown(BaseModel):
    """Who is signed in."""

    user_id: str
    email: str
    name: str
    csrf_token: str | None
    """To be sent back as `X-Penstock-CSRF` with whatever changes something."""
    workspaces: list[WorkspaceRole]
    is_admin: bool
    version: str
    now: datetime


@router.post("")
def sign_in(body: SignIn, request: Request, response: Response, site: SiteNeeded) -> SessionShown:
    """Opens a session; its cookie is for the browser only."""
    address, agent = address_of(request), request.headers.get("user-agent", "")
    if body.link is not None:
        opened = site.access.follow_link(body.link, site.now(), address=address, agent=agent)
    elif body.email is not None and body.password is not None:
        opened = site.access.sign_in(
            body.email, body.password, site.now(), address=address, agent=agent
        )
    else:
        raise ConfigError(
            "Neither an e-mail address with a password nor a link was sent.",
            remedy="Send {email, password} or {link}.",
        )
    _keep_cookie(request, response, opened)
    return _shown(site, site.access.by_session(opened.cookie, site.now()))


@router.get("")
def who(actor: ActorNeeded, site: SiteNeeded) -> SessionShown:
    """Tells who is signed in."""
    return _shown(site, actor)


@router.delete("", status_code=204)
def sign_out(request: Request, response: Response, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Ends the session."""
    del actor
    if (cookie := request.cookies.get(COOKIE)) is not None:
        site.access.sign_out(cookie)
    response.delete_cookie(COOKIE, path="/")


def _keep_cookie(request: Request, response: Response, opened: Opened) -> None:
    response.set_cookie(
        COOKIE,
        opened.cookie,
        max_age=int(SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )


def _shown(site: SiteNeeded, actor: Actor) -> SessionShown:
    with site.store.read() as tx:
        seen = workspaces.list_(tx, Window(limit=200), ids=actor.workspace_ids()).items
    shown = [
        WorkspaceRole(id=each.id, name=each.name, role=role)
        for each in seen
        if (role := actor.role(each.id)) is not None
    ]
    return SessionShown(
        user_id=actor.user.id,
        email=actor.user.email,
        name=actor.user.name,
        csrf_token=actor.session.csrf_token if actor.session else None,
        workspaces=shown,
        is_admin=actor.may(Role.ADMIN, None),
        version=site.version,
        now=site.now(),
    )
