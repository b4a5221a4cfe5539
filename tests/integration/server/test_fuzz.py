"""The API by its own description: whatever is sent, it is never the server that is at fault."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from starlette.testclient import TestClient

_LEFT_OUT = re.compile(r"/follow$")
"""What never ends."""


def test_nothing_that_is_sent_makes_the_server_fail(app: FastAPI, token: str) -> None:
    described = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    asked: set[str] = set()
    failures: list[str] = []

    def sent(case: Any) -> None:
        answer = case.call(headers={"authorization": f"Bearer {token}"})
        asked.add(case.operation.label)
        # 501 to 507 say that something beside the server is not there, or does not answer.
        if answer.status_code == 500:
            failures.append(f"{case.as_curl_command()}\n{answer.text}")
        elif answer.status_code >= 400 and not answer.json().get("remedy"):
            failures.append(f"{case.as_curl_command()}\nno remedy: {answer.text}")

    wanted = set()
    for found in described.get_all_operations():
        operation = found.ok()
        if _LEFT_OUT.search(operation.path):
            continue
        wanted.add(operation.label)
        fuzz = settings(
            max_examples=4,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given(case=operation.as_strategy())(sent))
        seed(20261121)(fuzz)()
    assert failures == []
    assert asked == wanted
    assert len(wanted) >= 80


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**63) - 1])
def test_a_number_beyond_what_the_database_holds_is_the_askers_fault(
    app: FastAPI, token: str, number: int
) -> None:
    client = TestClient(app, headers={"authorization": f"Bearer {token}"})
    for path in (f"/runs/{number}", f"/runs/1/attempts/{number}/log", f"/jobs/{number}"):
        answer = client.get(f"/api/v1{path}")
        assert 400 <= answer.status_code < 500, (path, answer.text)
    answer = client.get(f"/api/public/v1/jobs/{number}")
    assert 400 <= answer.status_code < 500, answer.text


def test_what_is_named_and_not_there_is_told(app: FastAPI, token: str) -> None:
    client = TestClient(app, headers={"authorization": f"Bearer {token}"})
    body = {"kind": "source", "name": "source-x", "title": "X", "pip_url": "x", "workspace_id": "4"}
    answer = client.post("/api/v1/definitions", json=body)
    assert answer.status_code == 404, answer.text
    assert answer.json()["remedy"]
