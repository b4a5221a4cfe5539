"""What runs in a Google Colab notebook, with a module in the place of Colab's own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import penstock as ab
from penstock.errors import MissingDriver
from penstock.library.progress import ProgressStyle, progress_of
from penstock.library.secrets import ColabSecretManager


class SecretNotFoundError(Exception):
    pass


class NotebookAccessError(Exception):
    pass


def _get(name: str) -> str:
    if name == "REFUSED":
        raise NotebookAccessError
    if name != "HELD":
        raise SecretNotFoundError
    return "from colab"


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Colab as a module; mounting makes the folder."""
    colab = ModuleType("google.colab")
    colab.userdata = SimpleNamespace(  # type: ignore[attr-defined]
        get=_get, SecretNotFoundError=SecretNotFoundError, NotebookAccessError=NotebookAccessError
    )
    colab.drive = SimpleNamespace(mount=lambda path: Path(path).mkdir())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    return tmp_path / "drive"


@pytest.mark.usefixtures("drive")
def test_secrets_of_the_notebook_are_found() -> None:
    assert ab.get_secret("HELD", sources=[ab.SecretSourceEnum.GOOGLE_COLAB]) == "from colab"
    assert ColabSecretManager().get_secret("MISSING") is None
    assert ColabSecretManager().get_secret("REFUSED") is None


def test_a_cache_is_on_the_drive_which_is_mounted_first(drive: Path) -> None:
    cache = ab.get_colab_cache("mine", mount_path=str(drive))
    assert drive.is_dir()
    assert cache.path == drive / "MyDrive/Airbyte/cache/mine.duckdb"


def test_elsewhere_colab_has_no_secrets_and_no_drive(tmp_path: Path) -> None:
    assert ColabSecretManager().get_secret("HELD") is None
    with pytest.raises(MissingDriver, match="Colab"):
        ab.get_colab_cache(mount_path=str(tmp_path / "none"))


def test_progress_of_a_notebook_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(MissingDriver, match="IPython"):
        progress_of(ProgressStyle.IPYTHON)
