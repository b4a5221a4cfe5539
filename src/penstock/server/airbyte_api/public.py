"""Airbyte's public API under `/api/public/v1`, put together."""

from __future__ import annotations

from penstock.server.airbyte_api import (
    public_connections,
    public_connectors,
    public_definitions,
    public_people,
)

routes = [
    route
    for subject in (public_people, public_definitions, public_connectors, public_connections)
    for route in subject.router.routes
]
