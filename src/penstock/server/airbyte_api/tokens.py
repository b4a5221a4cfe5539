"""Airbyte's token endpoint, at each address under which its clients look for it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from penstock.errors import ConfigError
from penstock.server.airbyte_api.answers import PublicRoute
from penstock.server.site import SiteNeeded

router = APIRouter(route_class=PublicRoute, include_in_schema=False)

PATHS: Final = (
    "/applications/token",
    "/v1/applications/token",
    "/api/v1/applications/token",
    "/api/public/applications/token",
    "/api/public/v1/applications/token",
)
"""airbyte-api resolves it against the host's root, Airflow against the server's address, Kestra
against the Config API's."""


async def grant_token(request: Request, site: SiteNeeded) -> Response:
    """Returns a short-lived token for an application's id and secret, sent as JSON or a form."""
    given = _read(await request.body(), request.headers.get("content-type", ""))
    token, lasts = await run_in_threadpool(
        site.access.grant,
        given.get("client_id", ""),
        given.get("client_secret", ""),
        site.now(),
    )
    body = {"access_token": token, "token_type": "Bearer", "expires_in": lasts}
    return JSONResponse(body, headers={"cache-control": "no-store"})


for _path in PATHS:
    router.add_api_route(_path, grant_token, methods=["POST"], name=f"token_at{_path}")


def _read(body: bytes, content_type: str) -> dict[str, str]:
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(errors="replace")))
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "The request is neither JSON nor a form.",
            remedy="Send client_id and client_secret as either.",
        ) from error
    if not isinstance(found, dict):
        raise ConfigError("The request is no object.", remedy="Send client_id and client_secret.")
    return {str(name): str(value) for name, value in found.items()}
