"""Manifests that are being written, over HTTP and on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.engine.web import serving
from tests.servers.up import Up, running

MANIFEST = """\
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [visits]}
streams:
  - type: DeclarativeStream
    name: visits
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url: "{{ config['address'] }}/visits"
        http_method: GET
        request_headers: {X-Key: "{{ config['api_key'] }}"}
      record_selector:
        type: RecordSelector
        extractor: {type: DpathExtractor, field_path: []}
    schema_loader:
      type: InlineSchemaLoader
      schema: {type: object, properties: {id: {type: integer}}}
spec:
  type: Spec
  connection_specification:
    type: object
    required: [address, api_key]
    properties:
      address: {type: string}
      api_key: {type: string, airbyte_secret: true}
"""
VISITS = b'[{"id": 9007199254740993}, {"id": 2}]'


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("manifests") / "up") as found:
        yield found


def asked(up: Up, path: str, **fields: Any) -> httpx.Response:
    return up.client.post(f"/manifests/{path}", json={"workspace_id": up.workspace, **fields})


def test_a_manifest_says_its_settings_and_its_streams(up: Up) -> None:
    found = asked(up, "inspect", manifest=MANIFEST).json()
    assert found["streams"] == ["visits"]
    assert found["connection_specification"]["required"] == ["address", "api_key"]


def test_a_manifest_that_is_none_is_told_with_a_remedy(up: Up) -> None:
    answer = asked(up, "inspect", manifest="streams: [")
    assert answer.status_code == 422
    assert "no YAML" in answer.json()["detail"]
    assert answer.json()["remedy"]


def test_a_path_is_no_manifest_and_no_file_is_opened(up: Up, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    answer = asked(up, "inspect", manifest=str(tmp_path / "manifest.yaml"))
    assert answer.status_code == 422
    assert "no mapping" in answer.json()["detail"]


def test_settings_that_do_not_fit_are_refused_before_anything_is_asked(up: Up) -> None:
    answer = asked(up, "test", manifest=MANIFEST, stream="visits", config={"address": "x"})
    assert answer.status_code == 422
    assert "api_key" in answer.text


def test_only_an_administrator_of_everything_adds_a_manifest_of_the_servers_disk(up: Up) -> None:
    role = {"role": "admin", "workspace_id": up.workspace}
    user = {"email": "keeper@example.org", "password": "four words in a row", "roles": [role]}
    up.post("/users", user)
    with httpx.Client(base_url=up.client.base_url) as theirs:
        session = theirs.post(
            "/session", json={"email": user["email"], "password": user["password"]}
        )
        theirs.headers["x-penstock-csrf"] = session.json()["csrf_token"]
        body = {"kind": "source", "name": "mine", "title": "Mine", "workspace_id": up.workspace}
        path = theirs.post("/definitions", json={**body, "manifest": "/etc/passwd"})
        text = theirs.post("/definitions", json={**body, "manifest": MANIFEST})
    assert (path.status_code, text.status_code) == (403, 201)


@pytest.mark.network
def test_a_stream_of_a_manifest_is_read_over_http_and_from_the_command_line(
    up: Up, tmp_path: Path
) -> None:
    with serving({"/visits": VISITS}) as web:
        config = {"address": web.address, "api_key": "s3cr3t-of-a-test"}
        found = asked(up, "test", manifest=MANIFEST, stream="visits", config=config)
        assert found.status_code == 200, found.text
        (page,) = found.json()["slices"][0]["pages"]
        assert page["records"] == ['{"id":9007199254740993}', '{"id":2}']
        assert page["response"]["status"] == 200
        assert page["request"]["headers"]["X-Key"] == "****"
        assert "s3cr3t-of-a-test" not in found.text

        file = tmp_path / "manifest.yaml"
        file.write_text(MANIFEST)
        words = ["manifest", "test", str(file), "--source.address", web.address]
        secret = ["--source.api_key", "${env:KEY_OF_A_TEST}"]
        done = penstock(*words, *secret)
        assert done.returncode == 0, done.stderr
        assert f"GET {web.address}/visits → 200, 2 records" in done.stdout
        assert '{"id":9007199254740993}' in done.stdout
        whole = json.loads(penstock(*words, *secret, "--json").stdout)
        assert whole["slices"][0]["pages"][0]["response"]["body"] == VISITS.decode()

        web.pages["/visits"] = 404
        done = penstock(*words, *secret)
        assert done.returncode == 1
        assert "404" in done.stdout
        assert "s3cr3t-of-a-test" not in done.stdout + done.stderr


def penstock(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock.cli", *argv],
        capture_output=True,
        text=True,
        env={**os.environ, "KEY_OF_A_TEST": "s3cr3t-of-a-test"},
        check=False,
    )
