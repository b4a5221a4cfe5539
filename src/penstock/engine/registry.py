"""The only place that knows connectors by name: native ones, third parties', Airbyte's."""

from __future__ import annotations

import logging
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from penstock.engine.airbyte_registry import AirbyteRegistry, load_registry, nearest
from penstock.engine.runners.container import container_runner
from penstock.engine.runners.manifest import ManifestRequest, manifest_runner, manifest_url
from penstock.engine.runners.program import Program, ProgramRunner, RunOptions
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.runners.venv import (
    PackageRequest,
    VenvStore,
    default_install_root,
    venv_runner,
)
from penstock.engine.settings import ConnectorRef
from penstock.errors import BugError, ConfigError, UnknownName
from penstock.sdk.source import Source

_log = logging.getLogger(__name__)

Kind = Literal["source", "destination"]

NATIVE_SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "faker": "penstock.sources.faker:FakerSource",
        "file": "penstock.sources.file:FileSource",
        "postgres": "penstock.sources.postgres:PostgresSource",
    }
)
NATIVE_DESTINATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "duckdb": "penstock.destinations.duckdb:DuckDBDestination",
        "postgres": "penstock.destinations.postgres:PostgresDestination",
    }
)
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "source-faker": "Faker",
        "source-file": "Files",
        "source-postgres": "PostgreSQL",
        "destination-duckdb": "DuckDB",
        "destination-postgres": "PostgreSQL",
    }
)
"""Titles of native connectors, so that listing them imports none; a test compares them."""
SOURCES_GROUP: Final = "penstock.sources"
DESTINATIONS_GROUP: Final = "penstock.destinations"
_IN_PROCESS: Final = "penstock.engine.runners.in_process:InProcessRunner"
_METHODS: Final = ("executable", "manifest", "image", "pip_url")
_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of `penstock sources` or `penstock destinations`."""

    name: str
    """With its prefix: "source-faker"."""
    title: str
    runs: str
    """native, plugin (a third party's entry point), python, manifest, or image."""


def full_name(name: str, kind: Kind) -> str:
    """Returns the name with its prefix: "faker" and "source-faker" are one connector."""
    return name if name.startswith(f"{kind}-") else f"{kind}-{name}"


def _short(name: str, kind: Kind) -> str:
    return name.removeprefix(f"{kind}-")


def list_sources(*, airbyte: bool = False) -> list[Listed]:
    """Returns the sources there are; imports none of them.

    `airbyte` adds those of Airbyte's registry, which may have to be fetched.
    """
    listed = _listed("source", NATIVE_SOURCES, SOURCES_GROUP)
    registry = load_registry() if airbyte else None
    return listed + _of_airbyte(registry, {one.name for one in listed})


def list_destinations() -> list[Listed]:
    """Returns the destinations there are; imports none of them."""
    return _listed("destination", NATIVE_DESTINATIONS, DESTINATIONS_GROUP)


def _listed(kind: Kind, native: Mapping[str, str], group: str) -> list[Listed]:
    own = [
        Listed(name=full_name(name, kind), title=TITLES[full_name(name, kind)], runs="native")
        for name in native
    ]
    plugins = {_short(name, kind) for name in _plugins(group)} - native.keys()
    own += [Listed(name=full_name(name, kind), title=name, runs="plugin") for name in plugins]
    return sorted(own, key=lambda listed: listed.name)


def _of_airbyte(registry: AirbyteRegistry | None, known: set[str]) -> list[Listed]:
    if registry is None:
        return []
    return [
        Listed(name=entry.name, title=entry.title, runs=_how(entry.language, entry.package))
        for entry in registry.sources
        if entry.name not in known
    ]


def _how(language: str, package: str | None) -> str:
    if language == "manifest-only":
        return "manifest"
    return "python" if package else "image"


def load_source_class(name: str) -> type[Source]:
    """Returns the class of a native or third party's source; raises UnknownName."""
    return _load_class(name, "source", NATIVE_SOURCES, SOURCES_GROUP)  # type: ignore[no-any-return]


def load_destination_class(name: str) -> Any:
    """Returns the class of a native or third party's destination; raises UnknownName."""
    return _load_class(name, "destination", NATIVE_DESTINATIONS, DESTINATIONS_GROUP)


def _load_class(name: str, kind: Kind, native: Mapping[str, str], group: str) -> Any:
    found = _find_class(name, kind, native, group)
    if found is not None:
        return found()
    known = [_short(listed.name, kind) for listed in _listed(kind, native, group)]
    raise _unknown(name, kind, nearest(_short(name, kind), known))


def _find_class(
    name: str, kind: Kind, native: Mapping[str, str], group: str
) -> Callable[[], Any] | None:
    """Returns what loads the class of a native or third party's connector, if there is one."""
    short = _short(name, kind)
    if short in native:
        return lambda: _load(native[short])
    plugins = _plugins(group)
    plugin = plugins.get(full_name(name, kind)) or plugins.get(short)
    return plugin.load if plugin else None


def _plugins(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("penstock"):
            raise
        raise BugError(
            f"penstock's own table names {target}, which is not there.", remedy="Report it."
        ) from error


def _unknown(name: str, kind: Kind, near: Sequence[str]) -> UnknownName:
    offer = f"Did you mean {' or '.join(near)}? " if near else ""
    return UnknownName(
        f"There is no {kind} {name!r}.",
        remedy=f"{offer}`penstock {kind}s` lists all.",
        connector=name,
    )


def source_runner(
    ref: ConnectorRef, *, install_root: str | None = None, options: RunOptions | None = None
) -> SourceRunner:
    """Returns how a source runs; starts nothing, but may look into Airbyte's registry.

    A method the reference names wins: executable, manifest, image, or pip_url. A `version` or
    `python` asks for the Python package. Else a native connector, a third party's, a package
    that is already installed, what Airbyte's registry says, and without a registry the package
    `airbyte-<name>`. Raises UnknownName, and ConfigError when the reference contradicts itself.
    """
    _check_ref(ref)
    options = options or RunOptions()
    if ref.executable:
        return _program(ref.name, ref.executable, options)
    if ref.image:
        return container_runner(ref.name, ref.image, network=ref.network, options=options)
    root = Path(install_root).expanduser().absolute() if install_root else default_install_root()
    name = full_name(ref.name, "source")
    store = VenvStore(root=root, on_log=options.on_log, near_names=lambda: _near(name))
    if ref.manifest:
        return _manifest(ref, ref.manifest, store, options)
    if not (ref.pip_url or ref.version or ref.python):
        found = _find_class(ref.name, "source", NATIVE_SOURCES, SOURCES_GROUP)
        if found is not None:
            runner: SourceRunner = _load(_IN_PROCESS)(name, found())
            return runner
    return _airbyte(ref, store, options)


def _check_ref(ref: ConnectorRef) -> None:
    methods = [method for method in _METHODS if getattr(ref, method)]
    if len(methods) > 1:
        raise ConfigError(
            f"{ref.name} names several ways to run it: {', '.join(methods)}.",
            remedy="Keep one of them.",
        )
    if ref.version and methods:
        raise ConfigError(
            f"{ref.name} has a version and also {methods[0]}, which has one of its own.",
            remedy=f"Put the version into {methods[0]}, and leave version unset.",
        )
    if methods in ([], ["pip_url"]) and not _NAME.match(ref.name):
        raise _unknown(ref.name, "source", nearest(_short(ref.name.lower(), "source"), _own()))


def _own() -> list[str]:
    return [_short(listed.name, "source") for listed in list_sources()]


def _program(name: str, executable: str, options: RunOptions) -> SourceRunner:
    """Returns a runner of a local program; words after it are its first arguments."""
    whole = Path(executable).expanduser()
    words = [str(whole)] if whole.is_file() else shlex.split(executable)
    program = shutil.which(Path(words[0]).expanduser()) if words else None
    if program is None:
        raise ConfigError(
            f"The executable {executable!r} of {name} does not exist, or may not be executed.",
            remedy="Give its path; make it executable with chmod +x.",
        )
    argv = (str(Path(program).absolute()), *words[1:])
    return ProgramRunner(name, Program(argv=argv), " ".join(argv), options=options)


def _manifest(
    ref: ConnectorRef, manifest: str, store: VenvStore, options: RunOptions
) -> SourceRunner:
    request = ManifestRequest(name=ref.name, manifest=manifest, python=ref.python)
    return manifest_runner(request, store=store, options=options)


def _airbyte(ref: ConnectorRef, store: VenvStore, options: RunOptions) -> SourceRunner:
    """Returns a runner of a connector of Airbyte's: its package, its manifest, or its image."""
    name = full_name(ref.name, "source")
    request = PackageRequest(name=name, version=ref.version, pip_url=ref.pip_url, python=ref.python)
    if ref.pip_url or store.find(request) is not None:
        return venv_runner(request, store=store, options=options)
    registry = load_registry()
    if registry is None:
        if ref.version is None:
            _log.warning(
                "Airbyte's registry cannot be had: %s is looked for on PyPI, where connectors "
                "that became manifests are out of date.",
                name,
            )
        return venv_runner(request, store=store, options=options)
    entry = registry.source(name)
    if entry is None:
        raise _unknown(ref.name, "source", _near(name))
    if entry.language == "manifest-only":
        return _manifest(ref, manifest_url(name, ref.version), store, options)
    if entry.package is not None:
        return venv_runner(replace(request, package=entry.package), store=store, options=options)
    image = entry.image_of(ref.version)
    return container_runner(name, image, network=ref.network, options=options)


def _near(name: str) -> list[str]:
    """Returns the names most like "source-…": native ones, and those of Airbyte's registry."""
    registry = load_registry()
    others = [_short(entry.name, "source") for entry in registry.sources] if registry else []
    found = nearest(_short(name, "source"), list(dict.fromkeys([*_own(), *others])))
    return [full_name(short, "source") for short in found]
