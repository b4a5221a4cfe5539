"""Calls of the `uv` program: its environment, its progress, its failures as our errors."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

from penstock.data.items import LogLine
from penstock.engine.runners.guard import PR_SET_PDEATHSIG
from penstock.engine.runners.uv_program import OnLog, uv_program
from penstock.errors import (
    ConfigError,
    ConnectionFailed,
    ConnectorFailed,
    PenstockError,
    ResourceExhausted,
    UnknownName,
)
from penstock.sdk.cache_root import cache_root

_QUOTED_LINES = 15
_NOT_PASSED_ON = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
    "PYTHONPATH",
)
"""Variables that would make uv act on the environment penstock itself runs in."""
_VERSION_FOLDER = re.compile(r"^3\.([89]|[1-9]\d)(\.|$)")
_URL_USER = re.compile(r"://[^/@\s]+@")

_NO_NETWORK = (
    "network was disabled",
    "network connectivity is disabled",
    "failed to fetch",
    "error sending request",
    "dns error",
    "could not connect",
    "connection reset",
    "operation timed out",
    "git fetch",
    "failed to clone",
)
_NO_PACKAGE = ("was not found in the package registry", "there are no versions of")
_OF_ANOTHER = ("depend on", "depends on")
"""Said when it is not the package itself that is missing, but one that it needs."""
_NO_VERSION = ("there is no version of",)
_NO_SPACE = ("no space left on device", "disk quota exceeded")
_NO_BUILD = ("failed to build", "build backend", "failed to download and build")


class UvFailed(Exception):
    """A call of uv ended badly; `text` is what it wrote to stderr, credentials masked."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def says(self, phrases: Sequence[str]) -> bool:
        """Tells whether uv's words hold one of these phrases, whatever the case."""
        lowered = self.text.lower()
        return any(phrase in lowered for phrase in phrases)

    @property
    def last_lines(self) -> str:
        """The end of uv's words, on one line."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return " | ".join(lines[-_QUOTED_LINES:])


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _end_with_penstock() -> None:
    """Runs in the child: a killed penstock must not leave an installation writing behind it."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def call_uv(
    arguments: Sequence[str], *, folder: Path, on_log: OnLog | None = None, stdin: str = ""
) -> str:
    """Runs uv in `folder` and returns its output; its progress lines go to `on_log`.

    What names a secret (a requirement with a token in its URL) belongs in `stdin`.
    Raises UvFailed with its last words, and ConnectionFailed when uv itself cannot be fetched.
    """
    program = uv_program(cache_root(), on_log)
    words: deque[str] = deque(maxlen=200)
    with subprocess.Popen(  # noqa: S603 - uv itself, no shell
        [str(program), "--color", "never", "--no-progress", *arguments],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        preexec_fn=_end_with_penstock if _LIBC else None,  # noqa: PLW1509 - one system call
    ) as process:
        with cast("IO[str]", process.stdin) as requirements:
            requirements.write(stdin)
        for line in cast("IO[str]", process.stderr):
            text = mask_url(line.rstrip())
            words.append(text)
            if on_log is not None and text.strip():
                on_log(LogLine(level="DEBUG", message=f"uv: {text.strip()}"))
        output = cast("IO[str]", process.stdout).read()
    if process.returncode != 0:
        raise UvFailed("\n".join(words))
    return output


def mask_url(text: str) -> str:
    """Returns the text with user names, tokens and passwords inside URLs masked."""
    return _URL_USER.sub("://****@", text)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    kept["PATH"] = os.pathsep.join([kept.get("PATH", os.defpath), *_pythons_of_managers()])
    return kept


def _pythons_of_managers() -> list[str]:
    """Returns the folders where pyenv, mise and asdf keep Pythons.

    Their shims on PATH answer only for the version that is switched on, so uv does not see the
    others. A folder with a Python older than 3.8 is left out: uv ends at it with an error.
    """
    home = Path.home()
    roots = (
        Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions",
        home / ".local/share/mise/installs/python",
        home / ".asdf/installs/python",
    )
    return [
        str(folder / "bin")
        for root in roots
        if root.is_dir()
        for folder in sorted(root.iterdir())
        if _VERSION_FOLDER.match(folder.name) and (folder / "bin").is_dir()
    ]


def install_error(
    failure: UvFailed, what: str, name: str, near_names: Callable[[], Sequence[str]]
) -> PenstockError:
    """Returns our error for an installation that failed; `what` is what was being installed."""
    what = mask_url(what)
    if failure.says(_NO_SPACE):
        return ResourceExhausted(
            f"The disk is full: {what} could not be installed.",
            remedy="Free some space, or set install_root to a folder on another disk.",
            connector=name,
        )
    if failure.says(_NO_NETWORK):
        return ConnectionFailed(
            f"{what} could not be fetched: {failure.last_lines}",
            remedy="Check the network and the package index (UV_DEFAULT_INDEX), then repeat.",
            connector=name,
        )
    if failure.says(_NO_PACKAGE) and not failure.says(_OF_ANOTHER):
        return unknown_connector(name, near_names(), tried=f"the package {what}")
    if failure.says(_NO_VERSION):
        return UnknownName(
            f"There is no {what} in the package index: {failure.last_lines}",
            remedy="Choose another version, or none for the newest.",
            connector=name,
        )
    if failure.says(_NO_BUILD):
        return ConnectorFailed(
            f"{what} could not be built: {failure.last_lines}",
            remedy="Set another python (older connectors need 3.10 or 3.11) or another version.",
            connector=name,
        )
    return ConfigError(
        f"{what} could not be installed: {failure.last_lines}",
        remedy="Choose another version, another python, or a pip_url.",
        connector=name,
    )


def unknown_connector(name: str, near: Sequence[str], *, tried: str) -> UnknownName:
    """Returns the error for a name nobody knows, with the nearest ones that are known."""
    offer = f"Did you mean {' or '.join(near)}? " if near else ""
    return UnknownName(
        f"There is no connector {name!r}: {tried} does not exist.",
        remedy=f"{offer}`penstock sources` lists all; a pip_url, manifest, executable or image "
        "runs others.",
        connector=name,
    )
