"""Where the `uv` program is: installed with penstock, on the machine, or fetched once.

It is 50 MB and of use only to who installs connectors, so penstock does not bring it along.
Fetching is pip's: the user's own index, proxy and certificates are used as they are set for pip.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from penstock.data.items import LogLine
from penstock.errors import ConfigError, ConnectionFailed

OnLog = Callable[[LogLine], None]

REQUIREMENT: Final = "uv>=0.5"
_REMEDY: Final = "Install it yourself: pip install uv, or https://docs.astral.sh/uv/."


def uv_program(cache: Path, on_log: OnLog | None = None) -> Path:
    """Returns the program; fetches it into `cache` where there is none.

    Raises ConnectionFailed when it cannot be fetched.
    """
    if importlib.util.find_spec("uv") is not None:
        return Path(importlib.import_module("uv").find_uv_bin())
    if found := shutil.which("uv"):
        return Path(found)
    kept = cache / "uv" / "uv"
    if not kept.is_file():
        if on_log is not None:
            on_log(LogLine(level="INFO", message="Fetching uv, which installs connectors…"))
        _fetch(kept)
    return kept


def _fetch(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        beside = Path(folder)
        _run([*_pip(beside), "install", "--quiet", "--target", str(beside / "it"), REQUIREMENT])
        # A fetched program appears whole or not at all, also when two fetch it at once.
        (beside / "it" / "bin" / "uv").replace(kept)


def _pip(folder: Path) -> list[str]:
    """Returns how to call pip: this Python's, else one made for the purpose."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if importlib.util.find_spec("ensurepip") is None:
        raise ConfigError(
            "Connectors are installed by uv, and this Python can fetch nothing: it has no pip.",
            remedy=_REMEDY,
        )
    _run([sys.executable, "-m", "venv", str(folder / "venv")])
    return [str(folder / "venv" / "bin" / "python"), "-m", "pip"]


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 (pip itself, no shell)
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if done.returncode != 0:
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ConnectionFailed(
            f"uv, which installs connectors, could not be fetched: {said}", remedy=_REMEDY
        )
