"""Pages ask the database as often for many rows as for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from sqlalchemy import event
from starlette.testclient import TestClient

from penstock.control.service import ControlPlane
from tests.integration.control.plane import Site, connect, ends

COUNT = 4


@pytest.fixture(scope="module")
def client(
    plane: ControlPlane, app: FastAPI, token: str, tmp_path_factory: pytest.TempPathFactory
) -> TestClient:
    """Signed in; each of some connections has ends of its own, and a run that waits."""
    site = Site(tmp_path_factory.mktemp("site"))
    for number in range(COUNT):
        connection = connect(site, plane, name=f"c{number}", ends=ends(site, plane))
        plane.request_run(connection.id)
    return TestClient(app, headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("path", ["/runs", "/connections"])
def test_a_page_asks_as_often_for_many_as_for_one(
    path: str, client: TestClient, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "penstock.control.recent_actors._REMEMBERED_SECONDS", 0.0
    )  # asks who, each time
    counts = []
    client.get(f"/api/v1{path}?limit=1").raise_for_status()  # the token is marked as used
    for limit in (1, COUNT):
        with counted(plane) as statements:
            answer = client.get(f"/api/v1{path}?limit={limit}").raise_for_status()
        assert len(answer.json()["items"]) == limit
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0


@contextmanager
def counted(plane: ControlPlane) -> Iterator[list[str]]:
    """Gives the statements that are executed meanwhile."""
    said: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(plane.store.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(plane.store.engine, "before_cursor_execute", note)
