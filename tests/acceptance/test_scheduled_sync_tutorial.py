"""The tutorial of the first scheduled sync is followed, word for word."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.acceptance.conftest import Terminal
from tests.acceptance.test_documents import ROOT, differs, steps_of
from tests.acceptance.up import up

PAGE = ROOT / "docs/tutorial/first-scheduled-sync.md"
WRITTEN = "http://127.0.0.1:8787"


def test_a_scheduled_sync_works_by_the_tutorial_alone(terminal: Terminal, tmp_path: Path) -> None:
    assert "\npenstock up\n" in PAGE.read_text()
    steps = steps_of(PAGE)
    assert len(steps) >= 15
    with up(terminal) as address:
        for step in steps:
            done = subprocess.run(
                ["bash", "-c", step.command.replace(WRITTEN, address)],
                cwd=tmp_path,
                env=terminal.env(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, f"$ {step.command}\n{done.stdout}"
            difference = differs(step.expected, done.stdout) if step.expected else None
            assert difference is None, f"$ {step.command}\n{difference}"
