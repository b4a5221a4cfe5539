"""The HTTP application: everything the server answers, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

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
from penstock.server.routes.own import API
from penstock.server.site import Site

_DESCRIPTION = """\
Everything the pages and the command line do. Lists are paged by `limit` and `after`; errors are
problem documents (RFC 9457) with a `code` and a `remedy`. A POST with an `Idempotency-Key` that
is sent again is answered as the first time. Send `Authorization: Bearer TOKEN`."""

_LARGE_BYTES: Final = 32 << 10
"""Answers of more are sent gzipped: catalogues and logs, to places with thin lines."""


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
        separate_input_output_schemas=False,
    )
    site = Site(plane=plane, access=Access(plane.store), version=version)
    app.state.site = site
    problems.install(app)
    # No two routes answer one address; our own come first, and the first are found the fastest.
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
        app.router.routes.extend(subject.router.routes)
    app.router.routes.extend(tokens.router.routes)
    app.router.routes.extend(public.routes)
    app.router.routes.extend(config.router.routes)
    app.router.routes.extend(home.metrics_router.routes)
    pages.install(app)
    app.add_middleware(Idempotency, site=site, prefix=f"{API}/")
    app.add_middleware(GZipMiddleware, minimum_size=_LARGE_BYTES, compresslevel=4)
    app.add_middleware(Guard, hosts=hosts)
    return app
