"""Airbyte's public API under `/api/public/v1`, put together."""

from __future__ import annotations

from fastapi import APIRouter

from penstock.server.airbyte_api import (
    public_connections,
    public_connectors,
    public_definitions,
    public_people,
)

router = APIRouter(prefix="/api/public/v1", include_in_schema=False)
for _subject in (public_people, public_definitions, public_connectors, public_connections):
    router.include_router(_subject.router)
