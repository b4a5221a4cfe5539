"""Low-code manifests that are being written: what they ask for, and a trial of one stream."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from penstock.control.accounts import Role
from penstock.control.looking import MOST_ROWS
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, SiteNeeded

router = own_router("/manifests", tag="manifests")

_LARGEST = 2_000_000


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ManifestGiven(_Given):
    """A manifest as text; it need not be a connector yet."""

    workspace_id: str
    manifest: Annotated[str, Field(min_length=1, max_length=_LARGEST)]
    """YAML or JSON."""


class ManifestShown(BaseModel):
    """What a manifest says of itself."""

    connection_specification: dict[str, Any]
    """JSON Schema of its settings."""
    streams: list[str]
    """Names of its streams, but for those that are made only while it runs."""


class TrialWanted(ManifestGiven):
    """Which stream to read, with what settings, and how much of it."""

    config: dict[str, Any] = Field(default_factory=dict)
    stream: Annotated[str, Field(min_length=1)]
    records: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 50
    pages: Annotated[int, Field(ge=1, le=20)] = 5
    """Of each slice."""
    slices: Annotated[int, Field(ge=1, le=20)] = 5


class TrialRequestShown(BaseModel):
    """What was sent, its secrets masked."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None


class TrialResponseShown(BaseModel):
    """What came back, its secrets masked and a long body cut."""

    status: int
    headers: dict[str, str]
    body: str | None


class TrialPageShown(BaseModel):
    """One request, its response, and what was taken out of it."""

    request: TrialRequestShown | None
    response: TrialResponseShown | None
    records: list[str]
    """Each as JSON text, so that no client rounds its numbers."""


class TrialSliceShown(BaseModel):
    """One part that a stream is read in."""

    pages: list[TrialPageShown]
    slice: str | None
    """Which part, as JSON text."""
    state: str | None
    """Where a sync would continue after it, as JSON text."""


class TrialLineShown(BaseModel):
    """What was made of it, in the words of whoever read."""

    level: str
    message: str


class TrialShown(BaseModel):
    """What reading one stream of a manifest asked for and got."""

    slices: list[TrialSliceShown]
    lines: list[TrialLineShown]
    is_cut: bool
    """There is more than was asked for."""
    texts_cut: int
    """How many texts were too long to be shown whole."""
    inferred_schema: dict[str, Any] | None
    """A JSON Schema that fits the records that came."""


@router.post("/inspect")
def inspect_manifest(body: ManifestGiven, actor: ActorNeeded, site: SiteNeeded) -> ManifestShown:
    """Reads a manifest: the settings it asks for, and its streams."""
    actor.require(Role.ADMIN, body.workspace_id)
    found = site.plane.looking.manifest(body.manifest)
    return ManifestShown(
        connection_specification=dict(found.connection_specification), streams=list(found.streams)
    )


@router.post("/test")
def test_manifest(body: TrialWanted, actor: ActorNeeded, site: SiteNeeded) -> TrialShown:
    """Reads one stream of a manifest: requests, responses and records, page by page.

    The first time, airbyte-cdk is installed.
    """
    # A manifest makes the server call any address: as much as adding a connector.
    actor.require(Role.ADMIN, body.workspace_id)
    found = site.plane.looking.trial(
        body.manifest,
        body.config,
        body.stream,
        records=body.records,
        pages=body.pages,
        slices=body.slices,
    )
    return TrialShown.model_validate(found)
