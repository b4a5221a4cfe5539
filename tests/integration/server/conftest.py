"""The application without a network: a control plane in a folder, which does not run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from penstock.control.builtin import Offer, first_workspace, offer
from penstock.control.model import ConnectorKind
from penstock.control.service import ControlPlane, Setup, open_control_plane
from penstock.server.app import create_app

OFFERS = (
    Offer(kind=ConnectorKind.SOURCE, name="source-faker", title="Faker"),
    Offer(kind=ConnectorKind.DESTINATION, name="destination-duckdb", title="DuckDB"),
)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("plane")
    found = open_control_plane(Setup(data_dir=Path(folder), version="test"))
    now = datetime.now(UTC)
    offer(found.store, OFFERS, now=now)
    first_workspace(found.store, now=now)
    yield found
    found.store.close()


@pytest.fixture(scope="module")
def app(plane: ControlPlane) -> FastAPI:
    hosts = ("*",)
    return create_app(plane, version="test", hosts=hosts, starts_plane=False)


@pytest.fixture(scope="module")
def token(app: FastAPI) -> str:
    access = app.state.site.access
    now = datetime.now(UTC)
    return str(access.new_token(access.first_user(now), "tests", now)[1])
