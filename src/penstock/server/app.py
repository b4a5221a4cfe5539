"""The HTTP application: everything the server answers, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from penstock.control.access import Access
from penstock.control.service import ControlPlane
from penstock.server import pages, problems
from penstock.server.airbyte_api import config, public, tokens
from penstock.server.guard import LOOPBACK_NAMES, Guard
from penstock.server.idempotency import Idempotency
from penstock.server.routes import (
    administration,
    channels,
    configuration,
    connections,
    connectors,
    definitions,
    events,
    health,
    home,
    looking,
    manifests,
    positions,
    probes,
    runs,
    session,
    streams,
)
from penstock.server.routes import (
    tokens as own_tokens,
)
from penstock.server.site import Site

API = "/api/v1"
_DESCRIPTION = """\
Everything the pages and the command line do. Lists are paged by `limit` and `after`; errors are
problem documents (RFC 9457) with a `code` and a `remedy`. A POST with an `Idempotency-Key` that
is sent again is answered as the first time. Send `Authorization: Bearer TOKEN`."""


def create_app(
    plane: ControlPlane,
    *,
    version: str,
    hosts: Collection[str] = LOOPBACK_NAMES,
    starts_plane: bool = True,
) -> FastAPI:
    """Returns the application over a control plane.

    The plane is started with the application and stopped with it, unless `starts_plane` is False.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if starts_plane:
            await run_in_threadpool(plane.start)
        try:
            yield
        finally:
            if starts_plane:
                await run_in_threadpool(plane.stop)

    app = FastAPI(
        title="penstock",
        version=version,
        description=_DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
    )
    site = Site(plane=plane, access=Access(plane.store), version=version)
    app.state.site = site
    problems.install(app)
    own = APIRouter(prefix=API, responses={"default": {"model": problems.Problem}})
    for subject in (
        health,
        session,
        definitions,
        connectors,
        streams,
        probes,
        looking,
        manifests,
        connections,
        positions,
        runs,
        events,
        channels,
        own_tokens,
        administration,
        configuration,
        home,
    ):
        own.include_router(subject.router)
    app.include_router(own)  # the first is found the fastest; no two answer one address
    app.include_router(tokens.router)
    app.include_router(public.router)
    app.include_router(config.router)
    app.include_router(home.metrics_router)
    pages.install(app)
    app.add_middleware(Idempotency, site=site, prefix=f"{API}/")
    app.add_middleware(Guard, hosts=hosts)
    return app


def _operation_id(route: Any) -> str:
    return str(route.name)
