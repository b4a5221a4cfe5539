"""Airbyte's own Python programs in a venv of their own, kept between runs in .cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
PACKAGES = (
    "airbyte==0.71.3",
    "airbyte-cdk==7.39.1",
    "airbyte-protocol-models-pdv2==0.18.0",
    "pytest",
)
"""PyAirbyte, the CDK with its test suite, the protocol's models."""


@dataclass(frozen=True)
class Clients:
    """The venv, and a folder to work in."""

    venv: Path
    folder: Path

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    def run(
        self, *argv: str | Path, stdin: bytes | None = None, fails: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Runs the venv's Python in the folder, at home there."""
        registry = self.folder / "registry.json"
        registry.write_text('{"sources": [], "destinations": []}')
        env = {name: value for name, value in os.environ.items() if name[:6] != "PYTEST"}
        env |= {"AIRBYTE_LOCAL_REGISTRY": str(registry), "AIRBYTE_OFFLINE_MODE": "1"}
        done = subprocess.run(
            [str(self.python), *map(str, argv)],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            env={**env, "HOME": str(self.folder), "DO_NOT_TRACK": "1"},
            check=False,
            timeout=300,
        )
        told = done.stdout.decode(), done.stderr.decode()
        assert fails or done.returncode == 0, "\n".join(told)
        return subprocess.CompletedProcess(done.args, done.returncode, *told)

    def program(self, name: str) -> Path:
        """Writes a native connector as an executable: one line of shell."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m penstock.cli connector {name} "$@"\n')
        path.chmod(0o755)
        return path


@pytest.fixture(scope="session")
def clients_venv() -> Path:
    """Makes the venv once for these packages; other workers wait for it."""
    digest = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    folder = PROJECT / ".cache" / f"airbyte-clients-{digest}"
    folder.parent.mkdir(exist_ok=True)
    uv = str(Path(sys.executable).with_name("uv"))
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make = [uv, "venv", "-q", "--clear", "--python", "3.11", str(folder)]
            python = str(folder / "bin" / "python")
            for argv in (make, [uv, "pip", "install", "-q", "--python", python, *PACKAGES]):
                subprocess.run(argv, check=True)
            (folder / "complete").touch()
    return folder


@pytest.fixture
def clients(clients_venv: Path, tmp_path: Path) -> Clients:
    return Clients(clients_venv, tmp_path)
