"""The pages' files are kept packed, and what is large is sent packed, to whoever takes it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.server import pages

SCRIPT = b"console.log('hello')\n" * 100
PACKED = {"accept-encoding": "gzip, br"}
PLAIN = {"accept-encoding": "identity"}


@pytest.fixture
def client(app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A server whose pages are one page and one script."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<script src="/assets/main-1a2b.js"></script>')
    (tmp_path / "assets/main-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    return TestClient(app)


def test_a_script_is_sent_as_it_is_kept(client: TestClient) -> None:
    answer = client.get("/assets/main-1a2b.js", headers=PACKED)
    assert answer.content == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(SCRIPT) / 10
    assert answer.headers["content-type"].partition(";")[0].endswith("/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["vary"] == "Accept-Encoding"


def test_a_script_is_unpacked_for_whoever_takes_no_gzip(client: TestClient) -> None:
    answer = client.get("/assets/main-1a2b.js", headers=PLAIN)
    assert (answer.content, "content-encoding" in answer.headers) == (SCRIPT, False)
    assert answer.headers["content-type"].partition(";")[0].endswith("/javascript")


@pytest.mark.parametrize("path", ["/assets/gone.js", "/assets/%2e%2e/index.html", "/assets/"])
def test_what_is_no_file_of_the_pages_is_not_there(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/connections", "/index.html"])
def test_every_other_address_is_the_page(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=PACKED)
    assert (answer.status_code, "main-1a2b" in answer.text) == (200, True)
    assert answer.headers["cache-control"] == "no-cache"


def test_a_large_answer_is_packed_and_a_small_one_is_not(client: TestClient, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    large = client.get("/api/v1/openapi.json", headers={**PACKED, **bearer})
    assert large.headers["content-encoding"] == "gzip"
    assert large.json() == client.get("/api/v1/openapi.json", headers={**PLAIN, **bearer}).json()
    small = client.get("/api/v1/workspaces", headers={**PACKED, **bearer})
    assert small.is_success
    assert "content-encoding" not in small.headers
