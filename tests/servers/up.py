"""A `penstock up` of its own for a test, and a client that waits until it answers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


def started(folder: Path, *flags: str) -> tuple[subprocess.Popen[str], str, str]:
    """Starts the server on a free port; returns it, its address and the secret of its link."""
    words = ["up", "--port", "0", "--data-dir", str(folder), *flags]
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock.cli", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PENSTOCK_HOME": str(folder / "home")},
        text=True,
    )
    assert process.stderr is not None
    link = ""
    for line in process.stderr:
        link = link or "".join(re.findall(r"/login#(\S+)", line))
        if found := re.search(r"is up at (http://\S+)\.", line):
            return process, found[1], link
    raise AssertionError(f"penstock up ended with {process.wait()}")


def answering(address: str) -> httpx.Client:
    client = httpx.Client(base_url=f"{address}/api/v1", timeout=60)
    until = time.monotonic() + 60
    while True:
        try:
            client.get("/health").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return client


@dataclass
class Up:
    """A server, and a client that is signed in to it."""

    process: subprocess.Popen[str]
    address: str
    link: str
    client: httpx.Client
    workspace: str

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def definition(self, name: str) -> str:
        found = self.get("/definitions?limit=500")["items"]
        return next(each["id"] for each in found if each["name"] == name)

    def connector(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        kind = name.partition("-")[0]
        body = {
            "workspace_id": self.workspace,
            "definition_id": self.definition(name),
            "name": name,
            "config": config,
        }
        made: dict[str, Any] = self.post(f"/{kind}s", body)
        return made

    def ended(self, path: str, *, seconds: float = 90) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found: dict[str, Any] = self.get(path)
            if found["status"] not in ("queued", "running", "waiting"):
                return found
            time.sleep(0.2)
        raise AssertionError(f"{path} has not ended: {found}")


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[Up]:
    """A server of its own, and its first administrator signed in as a browser is."""
    process, address, link = started(folder, *flags)
    try:
        with closing(answering(address)) as client:
            session = client.post("/session", json={"link": link})
            assert session.status_code == 200, session.text
            client.headers["x-penstock-csrf"] = session.json()["csrf_token"]
            workspace = session.json()["workspaces"][0]["id"]
            yield Up(process, address, link, client, workspace)
    finally:
        process.terminate()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
        if process.stderr is not None:
            process.stderr.close()
