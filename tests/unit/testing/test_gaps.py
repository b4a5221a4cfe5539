from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
from __future__ import annotations

from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.gaps import never, not_done, not_yet
from penstock.testing.memory import MemoryConfig, MemoryDestination

class TestMemory(DestinationSuite):
    destination = MemoryDestination
    gaps = ({gap},)

    def config(self, place):
        return MemoryConfig(path=str(place / "memory.bin"))
"""


def _outcome(folder: Path, gap: str, only: str) -> tuple[int, str]:
    file = folder / "test_it.py"
    file.write_text(SUITE.format(gap=gap))
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", only]
    done = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(folder), str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("mark", ["not_done", "not_yet", "never"])
def test_a_gap_that_is_closed_fails(tmp_path: Path, mark: str) -> None:
    gap = f'{mark}("test_value_comes_back_exactly", "boolean: true", reason="it cannot")'
    status, told = _outcome(tmp_path, gap, "test_value_comes_back_exactly and boolean")
    assert status == 1, told
    assert "[XPASS(strict)]" in told
    assert "it cannot" in told
    assert "1 failed, 1 passed" in told


def test_a_gap_that_names_no_case_fails(tmp_path: Path) -> None:
    gap = 'not_done("test_value_comes_back_exactly", "boolean: perhaps", reason="a slip")'
    status, told = _outcome(tmp_path, gap, "test_every_gap")
    assert status == 1, told
    assert "names no case of this suite" in told
