"""A `penstock up` of its own for a test, and a client that waits until it answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx


def started(folder: Path) -> tuple[subprocess.Popen[str], str, str]:
    """Starts the server on a free port; returns it, its address and the secret of its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock.cli", "up", "--port", "0", "--data-dir", str(folder)],
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
