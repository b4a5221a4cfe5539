"""What every route needs: the control plane, who asks, and the clock."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from penstock.control.access import Access, Actor, NotSignedIn
from penstock.control.service import ControlPlane
from penstock.control.store import Store
from penstock.control.store.rows import Window
from penstock.errors import AccessDenied

COOKIE: Final = "penstock_session"
CSRF_HEADER: Final = "x-penstock-csrf"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One server's parts; kept in the app's state."""

    plane: ControlPlane
    access: Access
    version: str

    @property
    def store(self) -> Store:
        return self.plane.store

    def now(self) -> datetime:
        return datetime.now(UTC)


async def site_of(request: Request) -> Site:
    """Returns the site of the app that answers."""
    site: Site = request.app.state.site
    return site


async def asking(request: Request, site: Annotated[Site, Depends(site_of)]) -> Actor:
    """Returns who asks, as `actor_of`; whoever did so a moment ago costs no thread and no query."""
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    shown = {"bearer": credentials.strip(), "": request.cookies.get(COOKIE)}.get(kind.lower())
    actor = site.access.recent(shown) if shown else None
    if actor is None or (actor.session is None) is (kind == ""):
        return await run_in_threadpool(actor_of, request, site)
    if actor.session is not None and request.method not in _SAFE:
        _require_own_page(request, actor)
    return actor


def actor_of(request: Request, site: Site) -> Actor:
    """Returns who asks: by Bearer or Basic, else by the browser's session.

    Raises NotSignedIn; and AccessDenied for a browser's unsafe request that some other page made.
    """
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    match kind.lower():
        case "bearer":
            return site.access.by_token(credentials.strip(), site.now())
        case "basic":
            name, password = _pair(credentials)
            return site.access.by_password(name, password, site.now(), address_of(request))
        case "":
            cookie = request.cookies.get(COOKIE)
            if cookie is None:
                raise NotSignedIn(
                    "This needs somebody who is signed in.",
                    remedy="Send `Authorization: Bearer TOKEN`, or sign in in the browser.",
                )
            actor = site.access.by_session(cookie, site.now())
            if request.method not in _SAFE:
                _require_own_page(request, actor)
            return actor
        case _:
            raise NotSignedIn(
                f"Authorization by {kind} is not known.", remedy="Use Bearer or Basic."
            )


async def window_of(
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many items.")] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Window:
    """Returns the part of a list that is asked for."""
    return Window(limit=limit, after=after)


def address_of(request: Request) -> str:
    """Returns the address the request came from."""
    return request.client.host if request.client else ""


SiteNeeded = Annotated[Site, Depends(site_of)]
ActorNeeded = Annotated[Actor, Depends(asking)]
WindowAsked = Annotated[Window, Depends(window_of)]


def _pair(credentials: str) -> tuple[str, str]:
    try:
        name, has_password, password = base64.b64decode(credentials).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotSignedIn(
            "The Basic credentials cannot be read.", remedy="Encode name:password as base64."
        ) from error
    return name, password if has_password else ""


def _require_own_page(request: Request, actor: Actor) -> None:
    """A foreign page can send a browser's cookie, but neither read nor set our token."""
    sent = request.headers.get(CSRF_HEADER, "")
    expected = actor.session.csrf_token if actor.session else ""
    origin = request.headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if is_foreign or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise AccessDenied(
            "This request was not made by one of penstock's own pages.",
            remedy=f"Reload the page; programs send a token, pages the header {CSRF_HEADER}.",
        )
