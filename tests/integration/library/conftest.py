from __future__ import annotations

from pathlib import Path

import pytest

from penstock.library.caches import DuckDBCache
from tests.integration.library.transcripts import Replayed


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder and a home of its own, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PENSTOCK_REGISTRY", "off")


@pytest.fixture
def cache(tmp_path: Path) -> DuckDBCache:
    return DuckDBCache(tmp_path / "cache.duckdb")


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    return Replayed(tmp_path)
