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
from typing import TYPE_CHECKING, Any, Final, Literal

from penstock.engine.airbyte_registry import RegistryEntry, load_registry, nearest
from penstock.engine.runners.container import container_runner
from penstock.engine.runners.manifest import (
    PROGRAM,
    ManifestRequest,
    manifest_runner,
    manifest_url,
)
from penstock.engine.runners.manifest_trial import ManifestTrial
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

if TYPE_CHECKING:
    from penstock.engine.runners.destinations import DestinationRunner
    from penstock.engine.runners.late import LateRunner

_log = logging.getLogger(__name__)

Kind = Literal["source", "destination"]

NATIVE_SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "avni": "penstock.sources.avni:AvniSource",
        "commcare": "penstock.sources.commcare:CommCareSource",
        "duckdb": "penstock.sources.duckdb:DuckDBSource",
        "faker": "penstock.sources.faker:FakerSource",
        "file": "penstock.sources.file:FileSource",
        "google-analytics": "penstock.sources.google_analytics:GoogleAnalyticsSource",
        "mysql": "penstock.sources.mysql:MySQLSource",
        "postgres": "penstock.sources.postgres:PostgresSource",
        "smartsheet": "penstock.sources.smartsheet:SmartsheetSource",
        "sql": "penstock.sources.sql:SqlSource",
        "sqlite": "penstock.sources.sqlite:SQLiteSource",
    }
)
AIRBYTE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"google-analytics-data-api": "google-analytics", "smartsheets": "smartsheet"}
)
"""Sources that Airbyte has under another name; their settings are read, too."""
NATIVE_DESTINATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bigquery": "penstock.destinations.bigquery:BigQueryDestination",
        "delta": "penstock.destinations.delta:DeltaDestination",
        "duckdb": "penstock.destinations.duckdb:DuckDBDestination",
        "files": "penstock.destinations.files:FilesDestination",
        "iceberg": "penstock.destinations.iceberg:IcebergDestination",
        "mysql": "penstock.destinations.mysql:MySQLDestination",
        "postgres": "penstock.destinations.postgres:PostgresDestination",
        "pulsar": "penstock.destinations.pulsar:PulsarDestination",
        "sqlite": "penstock.destinations.sqlite:SQLiteDestination",
        "snowflake": "penstock.destinations.snowflake:SnowflakeDestination",
    }
)
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "destination-bigquery": "BigQuery",
        "destination-delta": "Delta Lake",
        "destination-duckdb": "DuckDB",
        "destination-files": "Files",
        "destination-iceberg": "Apache Iceberg",
        "destination-mysql": "MySQL",
        "destination-postgres": "PostgreSQL",
        "destination-pulsar": "Apache Pulsar",
        "destination-sqlite": "SQLite",
        "destination-snowflake": "Snowflake",
        "source-avni": "Avni",
        "source-commcare": "CommCare",
        "source-duckdb": "DuckDB",
        "source-faker": "Faker",
        "source-file": "Files",
        "source-google-analytics": "Google Analytics 4",
        "source-mysql": "MySQL",
        "source-postgres": "PostgreSQL",
        "source-smartsheet": "Smartsheet",
        "source-sql": "SQL",
        "source-sqlite": "SQLite",
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
    """Returns the name with its prefix: "faker" and "source-faker" are one connector.

    So is "airbyte-source-faker", the name of its package.
    """
    return f"{kind}-{_short(name, kind)}"


def _short(name: str, kind: Kind) -> str:
    if name.startswith(f"airbyte-{kind}-"):
        name = name.removeprefix("airbyte-")
    return name.removeprefix(f"{kind}-")


def list_sources(*, airbyte: bool = False) -> list[Listed]:
    """Returns the sources there are; imports none of them.

    `airbyte` adds those of Airbyte's registry, which may have to be fetched.
    """
    listed = _listed("source", NATIVE_SOURCES, SOURCES_GROUP)
    registry = load_registry() if airbyte else None
    entries = registry.sources if registry else ()
    return listed + _of_airbyte(entries, {one.name for one in listed})


def list_destinations(*, airbyte: bool = False) -> list[Listed]:
    """Returns the destinations there are; imports none of them.

    `airbyte` adds those of Airbyte's registry, which may have to be fetched.
    """
    listed = _listed("destination", NATIVE_DESTINATIONS, DESTINATIONS_GROUP)
    registry = load_registry() if airbyte else None
    entries = registry.destinations if registry else ()
    return listed + _of_airbyte(entries, {one.name for one in listed})


def _listed(kind: Kind, native: Mapping[str, str], group: str) -> list[Listed]:
    own = [
        Listed(name=full_name(name, kind), title=TITLES[full_name(name, kind)], runs="native")
        for name in native
    ]
    plugins = {_short(name, kind) for name in _plugins(group)} - native.keys()
    own += [Listed(name=full_name(name, kind), title=name, runs="plugin") for name in plugins]
    return sorted(own, key=lambda listed: listed.name)


def _of_airbyte(entries: Sequence[RegistryEntry], known: set[str]) -> list[Listed]:
    return [
        Listed(name=entry.name, title=entry.title, runs=_how(entry.language, entry.package))
        for entry in entries
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
    if kind == "source":
        short = AIRBYTE_NAMES.get(short, short)
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
    options = options or RunOptions()
    native = _native(ref, "source", NATIVE_SOURCES, SOURCES_GROUP)
    if native is not None:
        name = full_name(ref.name, "source")
        runner: SourceRunner = _load(_IN_PROCESS)(name, native(), kept=options.kept)
        return runner
    return _Programs("source", install_root, options).runner(ref)


def destination_runner(
    ref: ConnectorRef, *, install_root: str | None = None, options: RunOptions | None = None
) -> DestinationRunner:
    """Returns how a destination runs, as `source_runner` does for a source."""
    from penstock.engine.runners.destinations import (  # noqa: PLC0415 (of no use to sources)
        NativeDestinationRunner,
        ProgramDestinationRunner,
    )

    native = _native(ref, "destination", NATIVE_DESTINATIONS, DESTINATIONS_GROUP)
    if native is not None:
        return NativeDestinationRunner(full_name(ref.name, "destination"), native())
    return ProgramDestinationRunner(_Programs("destination", install_root, options).runner(ref))


def manifest_trial(
    ref: ConnectorRef, *, install_root: str | None = None, options: RunOptions | None = None
) -> ManifestTrial:
    """Returns what tries a source's manifest; raises ConfigError when the reference has none."""
    _check_ref(ref, "source")
    if not ref.manifest:
        raise ConfigError(f"{ref.name} has no manifest.", remedy="Give its path, URL or text.")
    return _Programs("source", install_root, options).trial(ref, ref.manifest)


def _native(
    ref: ConnectorRef, kind: Kind, native: Mapping[str, str], group: str
) -> Callable[[], Any] | None:
    """Returns what loads the class, if the reference asks for a native or third party's one."""
    _check_ref(ref, kind)
    asked = any(getattr(ref, method) for method in _METHODS)
    if asked or ref.version or ref.python:
        return None
    return _find_class(ref.name, kind, native, group)


def _check_ref(ref: ConnectorRef, kind: Kind) -> None:
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
    if ref.manifest and kind == "destination":
        raise ConfigError(
            f"{ref.name} has a manifest, which only a source can be made of.",
            remedy="Leave it out.",
        )
    if methods in ([], ["pip_url"]) and not _NAME.match(ref.name):
        raise _unknown(ref.name, kind, nearest(_short(ref.name.lower(), kind), _own(kind)))


def _own(kind: Kind) -> list[str]:
    listed = list_sources() if kind == "source" else list_destinations()
    return [_short(each.name, kind) for each in listed]


class _Programs:
    """Finds the program of a connector that does not run in this process."""

    def __init__(self, kind: Kind, install_root: str | None, options: RunOptions | None) -> None:
        self._kind = kind
        self._options = options or RunOptions()
        self._root = (
            Path(install_root).expanduser().absolute() if install_root else default_install_root()
        )

    def runner(self, ref: ConnectorRef) -> ProgramRunner | LateRunner:
        """Returns how the reference's program runs."""
        if ref.executable:
            return self._executable(ref.name, ref.executable)
        if ref.image:
            return self._image(ref.name, ref.image, ref)
        name = full_name(ref.name, self._kind)
        if ref.manifest:
            return self._manifest(ref, ref.manifest, self._store(name))
        return self._package(ref, name, self._store(name))

    def trial(self, ref: ConnectorRef, manifest: str) -> ManifestTrial:
        """Returns what tries the reference's manifest."""
        request = ManifestRequest(name=ref.name, manifest=manifest, python=ref.python)
        return ManifestTrial(request, self._store(PROGRAM), self._options)

    def _store(self, name: str) -> VenvStore:
        return VenvStore(
            root=self._root,
            on_log=self._options.on_log,
            near_names=lambda: _near(name, self._kind),
        )

    def _executable(self, name: str, executable: str) -> ProgramRunner:
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
        return ProgramRunner(name, Program(argv=argv), " ".join(argv), options=self._options)

    def _image(self, name: str, image: str, ref: ConnectorRef) -> LateRunner:
        return container_runner(name, image, network=ref.network, options=self._options)

    def _manifest(self, ref: ConnectorRef, manifest: str, store: VenvStore) -> LateRunner:
        request = ManifestRequest(name=ref.name, manifest=manifest, python=ref.python)
        return manifest_runner(request, store=store, options=self._options)

    def _package(
        self, ref: ConnectorRef, name: str, store: VenvStore
    ) -> ProgramRunner | LateRunner:
        """Returns a runner of a connector of Airbyte's: its package, its manifest, or its image."""
        request = PackageRequest(
            name=name, version=ref.version, pip_url=ref.pip_url, python=ref.python
        )
        if ref.pip_url or store.find(request) is not None:
            return venv_runner(request, store=store, options=self._options)
        registry = load_registry()
        if registry is None:
            if ref.version is None:
                _log.warning(
                    "Airbyte's registry cannot be had: %s is looked for on PyPI, where connectors "
                    "that became manifests are out of date.",
                    name,
                )
            return venv_runner(request, store=store, options=self._options)
        entry = registry.find(name)
        if entry is None:
            raise _unknown(ref.name, self._kind, _near(name, self._kind))
        if entry.language == "manifest-only":
            return self._manifest(ref, manifest_url(name, ref.version), store)
        if entry.package is not None:
            packaged = replace(request, package=entry.package)
            return venv_runner(packaged, store=store, options=self._options)
        return self._image(name, entry.image_of(ref.version), ref)


def _near(name: str, kind: Kind) -> list[str]:
    """Returns the names most like this one: native ones, and those of Airbyte's registry."""
    registry = load_registry()
    entries = () if registry is None else (*registry.sources, *registry.destinations)
    others = [_short(e.name, kind) for e in entries if e.name.startswith(f"{kind}-")]
    found = nearest(_short(name, kind), list(dict.fromkeys([*_own(kind), *others])))
    return [full_name(short, kind) for short in found]
