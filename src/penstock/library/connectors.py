"""From `get_source`'s many arguments to one reference, and from that to a runner."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.engine.registry import (
    Kind,
    destination_runner,
    full_name,
    list_destinations,
    list_sources,
    source_runner,
)
from penstock.engine.runners.destinations import DestinationRunner, ProgramDestinationRunner
from penstock.engine.runners.late import LateRunner
from penstock.engine.runners.manifest import manifest_url
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import ConnectorRef
from penstock.errors import UnknownName
from penstock.library.exceptions import (
    AirbyteConnectorInstallationError,
    AirbyteConnectorNotRegisteredError,
    PyAirbyteInputError,
    as_named,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """The arguments of `get_source` that say how the connector is had."""

    version: str | None = None
    use_python: bool | Path | str | None = None
    pip_url: str | None = None
    local_executable: Path | str | None = None
    docker_image: bool | str | None = None
    use_host_network: bool = False
    source_manifest: bool | Mapping[str, Any] | Path | str | None = None
    install_if_missing: bool = True
    install_root: Path | str | None = None


def reference_of(name: str, options: InstallOptions, kind: Kind = "source") -> ConnectorRef:
    """Returns the reference the engine resolves; raises PyAirbyteInputError for two methods."""
    _refuse_contradictions(name, options)
    name = full_name(name.strip(), kind) if name.strip() else name
    image, python, pip_url = _image(name, options), None, options.pip_url
    version = options.version
    if isinstance(options.use_python, str | Path) and str(options.use_python):
        python = str(options.use_python)
    elif options.use_python is True and pip_url is None and version is None:
        pip_url = f"airbyte-{name}"
    executable = options.local_executable
    manifest = _manifest(name, options)
    if image is not None or options.source_manifest is True:
        version = None
    if not any((executable, image, manifest, pip_url, version, python)):
        executable = _on_path(name, kind)
    return ConnectorRef(
        name=name,
        version=version,
        pip_url=pip_url,
        python=python,
        executable=None if executable is None else _located(executable),
        manifest=manifest,
        image=image,
        network="host" if options.use_host_network else None,
    )


def runner_of(ref: ConnectorRef, options: InstallOptions) -> SourceRunner:
    """Returns the runner of a reference, saying on the logger how it will run.

    Raises AirbyteConnectorNotRegisteredError for an unknown name, with the nearest ones, and
    AirbyteConnectorInstallationError when it is missing and may not be installed.
    """
    root = None if options.install_root is None else str(options.install_root)
    try:
        runner = source_runner(ref, install_root=root)
    except UnknownName as error:
        raise as_named(error, AirbyteConnectorNotRegisteredError) from error
    logger.info("%s runs as: %s", ref.name, runner.description, extra={"connector": ref.name})
    is_missing = isinstance(runner, LateRunner) and runner.needs_install
    _refuse_missing(ref.name, options, is_missing=is_missing, get="get_source")
    return runner


def _refuse_contradictions(name: str, options: InstallOptions) -> None:
    methods = {
        "pip_url": options.pip_url,
        "local_executable": options.local_executable,
        "docker_image": options.docker_image,
        "source_manifest": options.source_manifest,
    }
    given = [method for method, value in methods.items() if value]
    if len(given) > 1:
        raise PyAirbyteInputError(
            f"{name} is given several ways to run it: {', '.join(given)}.",
            remedy="Keep one of them.",
            connector=name,
        )
    if options.version and (options.pip_url or options.local_executable):
        raise PyAirbyteInputError(
            f"{name} is given a version and also {given[0]}, which has one of its own.",
            remedy=f"Put the version into {given[0]}, and leave version out.",
            connector=name,
        )


def _image(name: str, options: InstallOptions) -> str | None:
    if isinstance(options.docker_image, str) and options.docker_image:
        image = options.docker_image
        return f"{image}:{options.version}" if options.version and ":" not in image else image
    if options.docker_image is True or options.use_python is False:
        return f"airbyte/{name}:{options.version or 'latest'}"
    return None


def _manifest(name: str, options: InstallOptions) -> str | None:
    given = options.source_manifest
    if given is None or given is False:
        return None
    if given is True:
        return manifest_url(name, options.version)
    if isinstance(given, Mapping):
        return json.dumps(given)  # JSON is YAML
    return str(given)


def destination_runner_of(ref: ConnectorRef, options: InstallOptions) -> DestinationRunner:
    """Returns the runner of a destination's reference, as `runner_of` does for a source's."""
    root = None if options.install_root is None else str(options.install_root)
    try:
        runner = destination_runner(ref, install_root=root)
    except UnknownName as error:
        raise as_named(error, AirbyteConnectorNotRegisteredError) from error
    logger.info("%s runs as: %s", ref.name, runner.description, extra={"connector": ref.name})
    is_missing = isinstance(runner, ProgramDestinationRunner) and runner.needs_install
    _refuse_missing(ref.name, options, is_missing=is_missing, get="get_destination")
    return runner


def _refuse_missing(name: str, options: InstallOptions, *, is_missing: bool, get: str) -> None:
    if is_missing and not options.install_if_missing:
        raise AirbyteConnectorInstallationError(
            f"{name} is not installed.",
            remedy=f"Call {get}(..., install_if_missing=True).",
            connector=name,
        )


def _on_path(name: str, kind: Kind) -> str | None:
    """Returns a program of the connector's name on PATH, unless the connector is native."""
    listed = list_sources() if kind == "source" else list_destinations()
    if any(each.name == name for each in listed):
        return None
    return shutil.which(name)


def _located(executable: Path | str) -> str:
    path = Path(executable).expanduser()
    return str(path.absolute()) if path.is_file() else str(executable)
