"""A server with an application, and airbyte-api in a venv of its own, kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers.up import answering, started

PROJECT = Path(__file__).parents[3]
PACKAGES = ("airbyte-api==1.0.1",)


@dataclass
class Served:
    """A server, a signed-in client, and what programs sign in with."""

    address: str
    client: httpx.Client
    workspace: str
    client_id: str
    client_secret: str
    token: str


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    return venv_of("airbyte-api", PACKAGES)


def venv_of(name: str, packages: tuple[str, ...]) -> Path:
    """Makes a venv once for these packages, and returns its Python; other workers wait for it."""
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    folder = PROJECT / ".cache" / f"{name}-{digest}"
    folder.parent.mkdir(exist_ok=True)
    uv = str(Path(sys.executable).with_name("uv"))
    python = folder / "bin" / "python"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make = [uv, "venv", "-q", "--clear", "--python", "3.11", str(folder)]
            for argv in (make, [uv, "pip", "install", "-q", "--python", str(python), *packages]):
                subprocess.run(argv, check=True)
            (folder / "complete").touch()
    return python


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    process, address, link = started(tmp_path_factory.mktemp("up"))
    try:
        with closing(answering(address)) as client:
            session = client.post("/session", json={"link": link}).raise_for_status().json()
            client.headers["x-penstock-csrf"] = session["csrf_token"]
            made = client.post(f"{address}/api/public/v1/applications", json={"name": "tests"})
            application = made.raise_for_status().json()
            token = client.post("/tokens", json={"name": "tests"}).raise_for_status().json()
            yield Served(
                address,
                client,
                session["workspaces"][0]["id"],
                application["clientId"],
                application["clientSecret"],
                token["secret"],
            )
    finally:
        process.terminate()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
        if process.stderr is not None:
            process.stderr.close()
