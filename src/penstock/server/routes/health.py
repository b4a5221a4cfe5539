"""Whether the server works."""

from __future__ import annotations

from pydantic import BaseModel

from penstock.control.store import workspaces
from penstock.control.store.rows import Window
from penstock.server.routes.own import own_router
from penstock.server.site import SiteNeeded

router = own_router("/health", tag="health")


class Health(BaseModel):
    """The server answers, and so does its database."""

    status: str
    available: bool
    """The same in the words of Airbyte's Config API, which has this address too."""
    version: str
    running: int
    """Runs this server has under way."""


@router.get("")
def health(site: SiteNeeded) -> Health:
    """Tells that the server and its database work; needs nobody to be signed in."""
    with site.store.read() as tx:
        workspaces.list_(tx, Window(limit=1))
    return Health(status="ok", available=True, version=site.version, running=site.plane.running)
