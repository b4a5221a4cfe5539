"""The only place that knows connectors by name: native ones, third parties', Airbyte's."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from penstock.engine.airbyte_registry import AirbyteRegistry, load_registry, nearest
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import ConnectorRef, SyncSettings
from penstock.errors import BugError, ConfigError, UnknownName
from penstock.sdk.source import Source

_log = logging.getLogger(__name__)

Kind = Literal["source", "destination"]

NATIVE_SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "faker": "penstock.sources.faker:FakerSource",
        "file": "penstock.sources.file:FileSource",
    }
)
NATIVE_DESTINATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"duckdb": "penstock.destinations.duckdb:DuckDBDestination"}
)
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {"source-faker": "Sample data", "source-file": "Files", "destination-duckdb": "DuckDB"}
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
    return listed + _of_airbyte(registry, {entry.name for entry in listed})


def list_destinations() -> list[Listed]:
    """Returns the destinations there are; imports none of them."""
    return _listed("destination", NATIVE_DESTINATIONS, DESTINATIONS_GROUP)


def _listed(kind: Kind, native: Mapping[str, str], group: str) -> list[Listed]:
    own = [
        Listed(name=full_name(name, kind), title=TITLES[full_name(name, kind)], runs="native")
        for name in native
    ]
    others = [
        Listed(name=full_name(name, kind), title=_short(name, kind), runs="plugin")
        for name in _plugins(group)
        if _short(name, kind) not in native
    ]
    return sorted(own + others, key=lambda listed: listed.name)


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
    known = [listed.name for listed in _listed(kind, native, group)]
    raise _unknown(name, kind, nearest(full_name(name, kind), known))


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
    ref: ConnectorRef,
    settings: SyncSettings | None = None,
    *,
    options: Any = None,
) -> SourceRunner:
    """Returns how a source runs; starts nothing, but may look into Airbyte's registry.

    A method the reference names wins: executable, manifest, image, or pip_url. A `version` or
    `python` asks for the Python package. Else a native connector, a third party's, a package
    that is already installed, what Airbyte's registry says, and without a registry the package
    `airbyte-<name>`. `options` is a `penstock.engine.runners.program.RunOptions`.
    Raises UnknownName, and ConfigError when the reference contradicts itself.
    """
    _check_ref(ref)
    if ref.executable or ref.manifest or ref.image:
        return _explicit(ref, settings, options)
    if not (ref.pip_url or ref.version or ref.python):
        found = _find_class(ref.name, "source", NATIVE_SOURCES, SOURCES_GROUP)
        if found is not None:
            runner: SourceRunner = _load(_IN_PROCESS)(full_name(ref.name, "source"), found())
            return runner
    return _airbyte(ref, settings, options)


def _check_ref(ref: ConnectorRef) -> None:
    methods = [method for method in _METHODS if getattr(ref, method)]
    if len(methods) > 1:
        raise ConfigError(
            f"{ref.name} names several ways to run it: {', '.join(methods)}.",
            remedy="Keep one of them.",
        )
    if ref.version and methods and methods[0] != "manifest":
        raise ConfigError(
            f"{ref.name} has a version and also {methods[0]}, which has one of its own.",
            remedy=f"Put the version into {methods[0]}.",
        )
    if not methods and not _NAME.match(ref.name):
        raise _unknown(ref.name, "source", nearest(ref.name.lower(), _known_sources()))


def _known_sources() -> list[str]:
    return [listed.name for listed in list_sources()]


def _explicit(ref: ConnectorRef, settings: SyncSettings | None, options: Any) -> SourceRunner:
    if ref.executable:
        return _program(ref.name, ref.executable, options)
    if ref.image:
        from penstock.engine.runners.container import container_runner  # noqa: PLC0415

        return container_runner(ref.name, ref.image, options=options)
    return _manifest(ref, str(ref.manifest), settings, options)


def _program(name: str, executable: str, options: Any) -> SourceRunner:
    """Returns a runner of a local program; words after it are its first arguments."""
    import shlex  # noqa: PLC0415 - only here
    import shutil  # noqa: PLC0415 - only here

    from penstock.engine.runners.program import Program, ProgramRunner  # noqa: PLC0415

    whole = Path(executable).expanduser()
    words = [str(whole)] if whole.is_file() else shlex.split(executable)
    program = shutil.which(str(Path(words[0]).expanduser())) if words else None
    if program is None:
        raise ConfigError(
            f"The executable {executable!r} of {name} does not exist, or may not be executed.",
            remedy="Give its path; make it executable with chmod +x.",
        )
    argv = (str(Path(program).absolute()), *words[1:])
    return ProgramRunner(name, Program(argv=argv), " ".join(argv), options=options)


def _manifest(
    ref: ConnectorRef, manifest: str, settings: SyncSettings | None, options: Any
) -> SourceRunner:
    from penstock.engine.runners.manifest import (  # noqa: PLC0415
        ManifestRequest,
        manifest_runner,
    )

    request = ManifestRequest(name=ref.name, manifest=manifest, python=ref.python)
    return manifest_runner(request, store=_store(settings, options), options=options)


def _store(settings: SyncSettings | None, options: Any, near: Any = tuple) -> Any:
    from penstock.engine.runners.program import RunOptions  # noqa: PLC0415
    from penstock.engine.runners.venv import VenvStore, default_install_root  # noqa: PLC0415

    given = settings.install_root if settings else None
    return VenvStore(
        root=Path(given).expanduser().absolute() if given else default_install_root(),
        on_log=(options or RunOptions()).on_log,
        near_names=near,
    )


def _airbyte(ref: ConnectorRef, settings: SyncSettings | None, options: Any) -> SourceRunner:
    """Returns a runner of a connector of Airbyte's: its package, its manifest, or its image."""
    from penstock.engine.runners.venv import PackageRequest, venv_runner  # noqa: PLC0415

    name = full_name(ref.name, "source")
    request = PackageRequest(name=name, version=ref.version, pip_url=ref.pip_url, python=ref.python)
    store = _store(settings, options, lambda: _near(name))
    if ref.pip_url or store.find(request) is not None:
        return venv_runner(request, store=store, options=options)
    registry = load_registry()
    if registry is None:
        _log.warning(
            "Airbyte's registry is not reachable: %s is installed from PyPI, where connectors "
            "that became manifests are out of date.",
            name,
        )
        return venv_runner(request, store=store, options=options)
    entry = registry.source(name)
    if entry is None:
        raise _unknown(ref.name, "source", _near(name))
    if entry.package is not None:
        request = PackageRequest(
            name=name, package=entry.package, version=ref.version, python=ref.python
        )
        return venv_runner(request, store=store, options=options)
    if entry.language == "manifest-only":
        from penstock.engine.runners.manifest import manifest_url  # noqa: PLC0415

        return _manifest(ref, manifest_url(name, ref.version), settings, options)
    from penstock.engine.runners.container import container_runner  # noqa: PLC0415

    repository, _, tag = entry.image.partition(":")
    return container_runner(name, f"{repository}:{ref.version or tag}", options=options)


def _near(name: str) -> list[str]:
    registry = load_registry()
    others = [entry.name for entry in registry.sources] if registry else []
    return nearest(name, [*_known_sources(), *others])
