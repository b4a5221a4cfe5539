"""Routers of the own API, each with its whole address: nested ones would make routes twice."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from penstock.server.problems import Problem

API: Final = "/api/v1"


def own_router(path: str = "", *, tag: str | None = None) -> APIRouter:
    """Returns a router below the own API's address; its operations are named as its functions."""
    return APIRouter(
        prefix=f"{API}{path}",
        tags=[] if tag is None else [tag],
        responses={"default": {"model": Problem}},
        generate_unique_id_function=_operation_id,
    )


def _operation_id(route: Any) -> str:
    return str(route.name)
