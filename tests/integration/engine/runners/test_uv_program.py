"""uv is found where it is, and fetched where it is nowhere."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.data.items import LogLine
from penstock.engine.runners import uv_program as module
from penstock.engine.runners.uv_program import uv_program
from penstock.errors import ConfigError, ConnectionFailed


@pytest.fixture
def without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python and a PATH that know of no uv."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda n: None if n == "uv" else find(n)
    )
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(module.shutil, "which", lambda _: None)


@pytest.mark.network
@pytest.mark.usefixtures("without_uv")
def test_it_is_fetched_once_and_runs(tmp_path: Path) -> None:
    lines: list[LogLine] = []
    found = uv_program(tmp_path, lines.append)
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("uv ")
    assert [line.message for line in lines] == ["Fetching uv, which installs connectors…"]
    assert uv_program(tmp_path, lines.append) == found
    assert len(lines) == 1
    assert [path.name for path in found.parent.iterdir()] == ["uv"]


@pytest.mark.usefixtures("without_uv")
def test_without_an_index_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(ConnectionFailed, match="pip install uv"):
        uv_program(tmp_path)
    assert list((tmp_path / "uv").iterdir()) == []


def test_without_pip_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    with pytest.raises(ConfigError, match="no pip"):
        uv_program(tmp_path)


def test_the_one_beside_penstock_wins(tmp_path: Path) -> None:
    assert uv_program(tmp_path).is_relative_to(Path(sys.prefix))
