"""The connectors there are: native ones, and those of Airbyte's list where it can be had."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from penstock.engine.airbyte_registry import RegistryEntry, load_registry, nearest
from penstock.engine.registry import list_destinations, list_sources
from penstock.library.exceptions import AirbyteConnectorNotRegisteredError

__all__ = [
    "ConnectorMetadata",
    "InstallType",
    "Language",
    "get_available_connectors",
    "get_connector_metadata",
]


class InstallType(StrEnum):
    """How a connector can be run."""

    NATIVE = "native"
    """Inside penstock; PyAirbyte has no such."""
    YAML = "yaml"
    PYTHON = "python"
    DOCKER = "docker"
    JAVA = "java"
    INSTALLABLE = "installable"
    """Anything that needs no container."""
    ANY = "any"


class Language(StrEnum):
    """What a connector is written in."""

    JAVA = "java"
    PYTHON = "python"
    MANIFEST_ONLY = "manifest-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorMetadata:
    """What is known of a connector without running it."""

    name: str
    title: str
    is_native: bool
    language: Language | None = None
    latest_available_version: str | None = None
    pypi_package_name: str | None = None
    documentation_url: str | None = None
    support_level: str | None = None

    @property
    def install_types(self) -> frozenset[InstallType]:
        """Every way it can be run."""
        found = {InstallType.ANY}
        if self.is_native:
            found |= {InstallType.NATIVE, InstallType.INSTALLABLE}
        if self.language is Language.MANIFEST_ONLY:
            found |= {InstallType.YAML, InstallType.INSTALLABLE}
        if self.pypi_package_name:
            found |= {InstallType.PYTHON, InstallType.INSTALLABLE}
        if self.language is Language.JAVA:
            found.add(InstallType.JAVA)
        if self.language is not None:
            found.add(InstallType.DOCKER)
        return frozenset(found)

    @property
    def default_install_type(self) -> InstallType:
        """How `get_source` would run it."""
        order = (InstallType.NATIVE, InstallType.YAML, InstallType.PYTHON)
        return next((each for each in order if each in self.install_types), InstallType.DOCKER)


def get_available_connectors(
    install_type: InstallType | str | None = InstallType.INSTALLABLE,
) -> list[str]:
    """Returns the names of connectors, sorted; without a network only the native ones.

    `install_type` is a way it must be possible to run them.
    """
    wanted = InstallType(install_type or InstallType.ANY)
    return sorted(name for name, each in _known().items() if wanted in each.install_types)


def get_connector_metadata(name: str) -> ConnectorMetadata:
    """Returns what is known of a connector; raises AirbyteConnectorNotRegisteredError."""
    known = _known()
    if name not in known:
        near = nearest(name, list(known))
        offer = f"Did you mean {' or '.join(near)}? " if near else ""
        raise AirbyteConnectorNotRegisteredError(
            f"There is no connector {name!r}.",
            remedy=f"{offer}`penstock sources` lists all.",
            connector=name,
        )
    return known[name]


def _known() -> dict[str, ConnectorMetadata]:
    registry = load_registry()
    entries = (*registry.sources, *registry.destinations) if registry else ()
    known = {entry.name: _of_airbyte(entry) for entry in entries}
    for listed in (*list_sources(), *list_destinations()):
        theirs = known.get(listed.name)
        known[listed.name] = ConnectorMetadata(
            name=listed.name,
            title=listed.title,
            is_native=True,
            language=theirs.language if theirs else None,
            latest_available_version=theirs.latest_available_version if theirs else None,
            pypi_package_name=theirs.pypi_package_name if theirs else None,
            documentation_url=theirs.documentation_url if theirs else None,
            support_level=theirs.support_level if theirs else None,
        )
    return known


def _of_airbyte(entry: RegistryEntry) -> ConnectorMetadata:
    known = {language.value for language in Language}
    return ConnectorMetadata(
        name=entry.name,
        title=entry.title,
        is_native=False,
        language=Language(entry.language) if entry.language in known else None,
        latest_available_version=entry.version or None,
        pypi_package_name=entry.package,
        documentation_url=entry.documentation_url or None,
        support_level=entry.support_level or None,
    )
