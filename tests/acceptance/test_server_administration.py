"""Who may do what on a server, and how it stands: over HTTP, and by commands beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.up import answering, started

PASSWORD = "four words in a row"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("administered")


@pytest.fixture(scope="module")
def admin(folder: Path) -> Iterator[httpx.Client]:
    """A client with a token that `penstock token create` wrote."""
    given = penstock("user", "password", "--data-dir", str(folder), stdin=PASSWORD)
    assert "admin@localhost" in given
    process, address, link = started(folder)
    assert link == "", "a link is only printed while nobody has a password"
    try:
        with closing(answering(address)) as client:
            token = penstock("token", "create", "tests", "--data-dir", str(folder)).strip()
            client.headers["authorization"] = f"Bearer {token}"
            yield client
    finally:
        process.terminate()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
        if process.stderr is not None:
            process.stderr.close()


def penstock(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
        check=True,
    )
    return done.stdout


def made(client: httpx.Client, path: str, body: dict[str, Any], status: int = 201) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_password_set_by_the_command_signs_in_and_a_wrong_one_does_not(
    admin: httpx.Client,
) -> None:
    with httpx.Client(base_url=admin.base_url) as browser:
        pair = {"email": "admin@localhost", "password": PASSWORD}
        assert browser.post("/session", json={**pair, "password": "wrong"}).status_code == 401
        assert browser.post("/session", json=pair).status_code == 200


def test_a_login_link_of_the_command_signs_in_once(admin: httpx.Client, folder: Path) -> None:
    link = penstock("login-link", "--data-dir", str(folder)).strip().partition("#")[2]
    with httpx.Client(base_url=admin.base_url) as browser:
        statuses = [browser.post("/session", json={"link": link}).status_code for _ in range(2)]
    assert statuses == [200, 401]


def test_a_token_may_what_its_scope_says_and_nothing_once_revoked(admin: httpx.Client) -> None:
    token = made(admin, "/tokens", {"name": "reader", "scopes": ["read"]})
    with httpx.Client(base_url=admin.base_url) as reader:
        reader.headers["authorization"] = f"Bearer {token['secret']}"
        assert reader.get("/connections").status_code == 200
        assert reader.post("/workspaces", json={"name": "x"}).status_code == 403
        assert reader.post("/tokens", json={"name": "wider"}).status_code == 403
        assert admin.delete(f"/tokens/{token['id']}").status_code == 204
        assert reader.get("/connections").status_code == 401
    listed = admin.get("/tokens").json()["items"]
    assert token["secret"] not in str(listed)
    assert next(e for e in listed if e["id"] == token["id"])["revoked_at"] is not None


def test_a_user_sees_the_workspaces_they_have_a_role_in(admin: httpx.Client) -> None:
    workspace = made(admin, "/workspaces", {"name": "Theirs"})
    role = {"workspace_id": workspace["id"], "role": "editor"}
    made(admin, "/users", {"email": "Ada@example.org", "password": PASSWORD, "roles": [role]})
    with httpx.Client(base_url=admin.base_url, auth=("ada@example.org", PASSWORD)) as ada:
        assert [e["name"] for e in ada.get("/workspaces").json()["items"]] == ["Theirs"]
        tag = {"workspace_id": workspace["id"], "name": "mine", "color": "7c3aed"}
        assert ada.post("/tags", json=tag).status_code == 201
        assert ada.post("/tags", json=tag).status_code == 409
        assert ada.get("/users").status_code == 403
    actions = {each["action"] for each in admin.get("/audit").json()["items"]}
    assert {"workspace.create", "user.create", "permission.grant", "tag.create"} <= actions


def test_the_last_administrator_stays(admin: httpx.Client) -> None:
    first = admin.get("/users").json()["items"][0]
    (permission,) = first["permissions"]
    assert admin.delete(f"/permissions/{permission['id']}").status_code == 422
    assert admin.delete(f"/users/{first['id']}").status_code == 422
    assert admin.get("/users").status_code == 200


def test_a_discovered_source_is_paged_and_told_field_by_field(admin: httpx.Client) -> None:
    workspace = admin.get("/workspaces").json()["items"][0]["id"]
    faker = next(
        each["id"]
        for each in admin.get("/definitions?limit=500").json()["items"]
        if each["name"] == "source-faker"
    )
    body = {"workspace_id": workspace, "definition_id": faker, "name": "f", "config": {}}
    source = made(admin, "/sources", body)["id"]
    assert admin.get(f"/sources/{source}/streams").status_code == 404
    answer = admin.get(
        str(admin.base_url).replace("/api/v1", "/api/public/v1") + "streams",
        params={"sourceId": source},
    )
    assert answer.status_code == 200, answer.text
    first = admin.get(f"/sources/{source}/streams?limit=2").json()
    rest = admin.get(f"/sources/{source}/streams?limit=2&after={first['next']}").json()
    names = [each["name"] for each in (*first["items"], *rest["items"])]
    assert (sorted(names), rest["next"], first["total"]) == (
        ["products", "purchases", "users"],
        None,
        3,
    )
    fields = admin.get(f"/sources/{source}/fields?stream=users").json()["items"]
    assert ["id"] in [each["path"] for each in fields]
    assert admin.get(f"/sources/{source}/streams?after=-1").status_code == 422


def test_the_home_page_and_the_metrics_tell_how_it_stands(admin: httpx.Client) -> None:
    home = admin.get("/home?days=3").json()
    assert (len(home["days"]), home["running"], home["failed"]) == (3, [], [])
    address = str(admin.base_url).partition("/api")[0]
    metrics = admin.get(f"{address}/metrics")
    assert 'penstock_runs{status="failed"} 0' in metrics.text.splitlines()
    assert httpx.get(f"{address}/metrics").status_code == 401
