"""A POST that is sent again with its Idempotency-Key is done once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.control.accounts import IdempotentReply
from penstock.control.service import ControlPlane
from penstock.control.store import audit


@pytest.fixture(scope="module")
def client(app: FastAPI, token: str) -> Iterator[TestClient]:
    headers = {"authorization": f"Bearer {token}"}
    with TestClient(app, headers=headers, base_url="http://localhost") as found:
        yield found


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def names(client: TestClient) -> list[str]:
    found = client.get("/api/v1/workspaces?limit=500").json()["items"]
    return [each["name"] for each in found]


def test_the_second_request_is_answered_as_the_first_and_done_once(client: TestClient) -> None:
    answers = [
        client.post("/api/v1/workspaces", json={"name": "once"}, headers=keyed("k1"))
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert names(client).count("once") == 1


def test_a_key_of_another_request_is_refused(client: TestClient) -> None:
    client.post("/api/v1/workspaces", json={"name": "mine"}, headers=keyed("k2"))
    other = client.post("/api/v1/workspaces", json={"name": "other"}, headers=keyed("k2"))
    assert (other.status_code, "other" in names(client)) == (422, False)


def test_a_request_that_failed_may_be_sent_again_with_its_key(client: TestClient) -> None:
    for name, status in (("", 422), ("mended", 201)):
        answer = client.post("/api/v1/workspaces", json={"name": name}, headers=keyed("k3"))
        assert answer.status_code == status, answer.text


def test_while_the_first_is_being_answered_the_second_waits(
    client: TestClient, plane: ControlPlane, app: FastAPI
) -> None:
    now = app.state.site.now()
    actor = app.state.site.access.first_user(now).id
    body = b'{"name":"late"}'
    digest = hashlib.sha256(b"/api/v1/workspaces?\n" + body).hexdigest()
    with plane.store.write() as tx:
        audit.begin_reply(
            tx,
            IdempotentReply(
                key="k4",
                actor_id=actor,
                request_digest=digest,
                created_at=now,
                expires_at=now + timedelta(minutes=5),
            ),
        )
    answer = client.post("/api/v1/workspaces", content=body, headers=keyed("k4"))
    assert answer.status_code == 409
    assert "late" not in names(client)


def test_nobody_gets_somebody_elses_answer(client: TestClient) -> None:
    client.post("/api/v1/workspaces", json={"name": "private"}, headers=keyed("k5"))
    headers = {**keyed("k5"), "authorization": "Bearer pst_wrong"}
    answer = client.post("/api/v1/workspaces", json={"name": "private"}, headers=headers)
    assert answer.status_code == 401
