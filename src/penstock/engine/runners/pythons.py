"""Which Python a package runs on: one it allows, best one that is on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.data.items import LogLine
from penstock.engine.runners.uv import UvFailed, call_uv
from penstock.engine.runners.uv_program import OnLog
from penstock.errors import ConfigError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

PREFERRED_PYTHONS = ("3.11", "3.12", "3.10", "3.13", "3.14", "3.9", "3.8")
"""Airbyte's own base image runs its Python connectors on 3.11, so that is where they were tried."""
_LAST_PATCH = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What the package's own metadata say."""

    name: str
    version: str
    requires_python: str
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """An interpreter: what uv is to be asked for, and its version."""

    request: str
    version: str


def choose_python(wanted: str | None, package: Package, work: Path, log: OnLog) -> Python:
    """Returns the Python `wanted`, or the best the package allows; fetches one as a last resort.

    Raises ConfigError when there is none, or the package does not allow the one that is wanted.
    """
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 (20 ms: only to install)

    allowed = SpecifierSet(package.requires_python)
    if wanted is not None:
        return _given_python(wanted, package, allowed, work, log)
    fitting = [v for v in PREFERRED_PYTHONS if allowed.contains(f"{v}.{_LAST_PATCH}")]
    if not fitting:
        raise ConfigError(
            f"{package.name} {package.version} asks for Python {package.requires_python}, "
            "which is none that can be had.",
            remedy="Choose another version of the connector.",
        )
    for version in fitting:
        found = _find_python(_in_range(version, package), work)
        if found is not None:
            return Python(request=found, version=version)
    log(LogLine(level="INFO", message=f"Fetching Python {fitting[0]}: none that fits is here."))
    try:
        call_uv(["python", "install", fitting[0]], folder=work, on_log=log)
    except UvFailed as failure:
        raise ConfigError(
            f"{package.name} {package.version} asks for Python {package.requires_python}; none is "
            f"on this machine and none could be fetched: {failure.last_lines}",
            remedy=f"Install Python {fitting[0]}, or set python to the path of one.",
        ) from failure
    return Python(request=fitting[0], version=fitting[0])


def _in_range(version: str, package: Package) -> str:
    return ",".join(filter(None, (package.requires_python, f"=={version}.*")))


def _find_python(wanted: str, work: Path) -> str | None:
    try:
        found = call_uv(
            ["python", "find", "--no-project", "--no-python-downloads", wanted], folder=work
        )
    except UvFailed:
        return None
    return found.strip() or None


def _given_python(
    wanted: str, package: Package, allowed: SpecifierSet, work: Path, log: OnLog
) -> Python:
    """Returns the Python the user asked for, when the package allows it."""
    asked = str(Path(wanted).expanduser()) if os.sep in wanted else wanted
    path = _find_python(asked, work)
    if path is None and os.sep not in wanted:
        try:
            call_uv(["python", "install", asked], folder=work, on_log=log)
        except UvFailed as failure:
            raise _no_such_python(wanted, failure.last_lines) from failure
        path = _find_python(asked, work)
    if path is None:
        raise _no_such_python(wanted, "it is not a Python, or not there")
    version = _version_of(path, work)
    if not allowed.contains(version):
        raise ConfigError(
            f"{package.name} {package.version} asks for Python {package.requires_python}; "
            f"python is set to {wanted}, which is {version}.",
            remedy="Leave python unset, or set one in that range.",
        )
    return Python(request=path, version=".".join(version.split(".")[:2]))


def _no_such_python(wanted: str, why: str) -> ConfigError:
    return ConfigError(
        f"Python {wanted} is not on this machine: {why}",
        remedy="Leave python unset, or set the version or path of one that is.",
    )


def _version_of(path: str, work: Path) -> str:
    listed = json.loads(
        call_uv(
            ["python", "list", "--only-installed", "--output-format", "json", path], folder=work
        )
    )
    return str(listed[0]["version"])
