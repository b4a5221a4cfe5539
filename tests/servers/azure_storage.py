"""A container in Azurite, Microsoft's own emulator of Azure Storage, on a free loopback port."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts import build_ui

from tests.servers.started import free_port, started

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = Path(__file__).with_name("azurite")
_HOME = _ROOT / ".cache" / "azurite"
_PROGRAM = _HOME / "node_modules/azurite/dist/src/blob/main.js"
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, the same everywhere."""


@contextmanager
def azure_container_served(name: str) -> Iterator[dict[str, Any]]:
    """Starts a server with one container; yields the storage options that lead to it."""
    import adlfs  # noqa: PLC0415 (an extra)

    _installed()
    environment = build_ui.with_node()
    node = shutil.which("node", path=environment["PATH"])
    assert node is not None
    port = free_port()
    words = [node, str(_PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    address = f"http://127.0.0.1:{port}/{_ACCOUNT}"
    options = {
        "connection_string": f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};"
        f"AccountKey={_KEY};BlobEndpoint={address};"
    }
    with started([*words, *quiet], port, environment=environment):
        adlfs.AzureBlobFileSystem(**options).mkdir(name)
        yield options


def _installed() -> None:
    """Installs what the lock file names, once for all tests that run at a time."""
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (_PACKAGE / "package-lock.json").read_bytes()
        done = _HOME / "installed.json"
        if done.exists() and done.read_bytes() == wanted:
            return
        for each in _PACKAGE.iterdir():
            shutil.copy(each, _HOME)
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        build_ui.run(_HOME, command, remedy="Is npm's registry reachable?")
        done.write_bytes(wanted)
