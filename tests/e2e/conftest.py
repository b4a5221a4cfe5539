"""Starts the house of the tests of pages once for each file of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.house import AXE, ROOT, SCRIPTED, House
from tests.servers.up import running

# How long a test waits before it gives up. How quick the pages are, `make bench` and `make forms`
# tell.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    assert (ROOT / "src/penstock/server/static/index.html").exists(), "build the pages: make ui"
    assert AXE.exists(), "axe-core is among the packages of the pages: make ui"
    chromium = shutil.which("chromium")
    assert chromium, "the pages are tested in Chromium: apt-get install chromium"
    folder = tmp_path_factory.mktemp("e2e")
    program = folder / "source"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPTED} "$@"\n')
    program.chmod(0o755)
    pictures = Path(os.environ.get("PENSTOCK_PICTURES", folder / "pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with running(folder / "up") as up:
        body = {
            "kind": "source",
            "name": "source-scripted",
            "title": "Scripted",
            "executable": str(program),
        }
        definition = up.post("/definitions", body)["id"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            yield House(up, browser, folder, definition, pictures)
            browser.close()
