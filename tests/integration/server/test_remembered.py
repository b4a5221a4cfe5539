"""Who asked a moment ago is not looked up again; whom somebody signs out is out at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.control.access import Access
from penstock.control.service import ControlPlane
from penstock.control.store import Store, people, workspaces
from penstock.server.site import COOKIE, CSRF_HEADER
from tests.integration.server.test_statements import counted

ASKED = "/api/v1/workspaces"


@pytest.fixture
def access(app: FastAPI) -> Access:
    found = app.state.site.access
    assert isinstance(found, Access)
    return found


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


@pytest.fixture
def other(plane: ControlPlane) -> Iterator[Store]:
    """The same database, as another process has it."""
    store = Store(plane.store.url)
    yield store
    store.close()


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_a_second_request_looks_nobody_up(
    access: Access, client: TestClient, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.control.recent_actors._REMEMBERED_SECONDS", 600.0)
    _, secret = access.new_token(access.first_user(datetime.now(UTC)), "t", datetime.now(UTC))
    for _ in range(2):  # the first use is noted, which is a change
        client.get(ASKED, headers=bearer(secret)).raise_for_status()
    with counted(plane) as statements:
        client.get(ASKED, headers=bearer(secret)).raise_for_status()
    assert statements
    assert not [each for each in statements if "FROM tokens" in each or "FROM users" in each]


def test_a_revoked_token_is_worthless_at_once(access: Access, client: TestClient) -> None:
    now = datetime.now(UTC)
    token, secret = access.new_token(access.first_user(now), "t", now)
    for _ in range(3):
        assert client.get(ASKED, headers=bearer(secret)).status_code == 200
    assert client.delete(f"/api/v1/tokens/{token.id}", headers=bearer(secret)).is_success
    assert client.get(ASKED, headers=bearer(secret)).status_code == 401


def test_a_token_revoked_by_another_process_is_worthless_a_second_later(
    access: Access, client: TestClient, other: Store
) -> None:
    now = datetime.now(UTC)
    token, secret = access.new_token(access.first_user(now), "t", now)
    for _ in range(3):
        assert client.get(ASKED, headers=bearer(secret)).status_code == 200
    with other.write() as tx:
        people.revoke_token(tx, token.id, now=now)
    time.sleep(1.1)
    assert client.get(ASKED, headers=bearer(secret)).status_code == 401


def test_a_foreign_page_is_refused_however_recent_the_session(
    access: Access, client: TestClient
) -> None:
    now = datetime.now(UTC)
    opened = access.follow_link(access.new_link(access.first_user(now), now), now)
    client.cookies.set(COOKIE, opened.cookie)
    for _ in range(2):
        assert client.get(ASKED).status_code == 200
    assert client.post("/api/v1/tokens", json={"name": "stolen"}).status_code == 403
    header = {CSRF_HEADER: opened.session.csrf_token}
    assert client.post("/api/v1/tokens", json={"name": "own"}, headers=header).status_code == 201
    access.sign_out(opened.cookie)
    assert client.get(ASKED).status_code == 401


def test_a_session_is_no_token(access: Access, client: TestClient) -> None:
    now = datetime.now(UTC)
    opened = access.follow_link(access.new_link(access.first_user(now), now), now)
    client.cookies.set(COOKIE, opened.cookie)
    assert client.get(ASKED).status_code == 200
    client.cookies.clear()
    assert client.get(ASKED, headers=bearer(opened.cookie)).status_code == 401


def test_what_is_written_of_others_makes_nobody_forgotten(
    access: Access, plane: ControlPlane
) -> None:
    now = datetime.now(UTC)
    _, secret = access.new_token(access.first_user(now), "t", now)
    for _ in range(2):  # the first use is noted, which is a change
        access.by_token(secret, now)
    with plane.store.write() as tx:
        workspaces.set_setting(tx, "some", {"setting": 1})
    assert access.recent(secret) is not None
