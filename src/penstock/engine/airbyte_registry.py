"""What Airbyte's public list says of connectors: language, package, title. Never required."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from penstock.engine.fetch import cache_root, fetch
from penstock.errors import ConfigError, ConnectionFailed

_log = logging.getLogger(__name__)

VARIABLE: Final = "PENSTOCK_REGISTRY"
"""Overrides the address: a URL or a path; "0" or "off" asks no registry at all."""
URL: Final = "https://connectors.airbyte.com/files/registries/v0/oss_registry.json"
MAX_AGE_SECONDS: Final = 24 * 3600.0
_OFF: Final = ("0", "off", "none")
_NEAR: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """One connector of the list."""

    name: str
    """As its image is called: "source-stripe"."""
    title: str
    language: str
    """python, manifest-only or java; empty where the list does not say."""
    package: str | None
    """Its distribution on PyPI, where it is published there."""
    image: str
    version: str
    documentation_url: str
    support_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AirbyteRegistry:
    """The list, read once."""

    sources: tuple[RegistryEntry, ...] = ()
    destinations: tuple[RegistryEntry, ...] = ()

    def source(self, name: str) -> RegistryEntry | None:
        """Returns the source of this name ("source-stripe"); None when it is not in the list."""
        return next((entry for entry in self.sources if entry.name == name), None)

    def near_sources(self, name: str) -> Sequence[str]:
        """Returns the names of sources most like this one."""
        return nearest(name, [entry.name for entry in self.sources])


class _Pypi(msgspec.Struct, frozen=True):
    enabled: bool = False
    package: str | None = msgspec.field(name="packageName", default=None)


class _Remotes(msgspec.Struct, frozen=True):
    pypi: _Pypi | None = None


class _Entry(msgspec.Struct, frozen=True):
    """The fields of the list that are used; the rest is skipped."""

    repository: str = msgspec.field(name="dockerRepository")
    tag: str = msgspec.field(name="dockerImageTag", default="")
    title: str = msgspec.field(name="name", default="")
    language: str | None = None
    tags: tuple[str, ...] = ()
    remotes: _Remotes | None = msgspec.field(name="remoteRegistries", default=None)
    documentation_url: str | None = msgspec.field(name="documentationUrl", default=None)
    support_level: str | None = msgspec.field(name="supportLevel", default=None)


class _Document(msgspec.Struct, frozen=True):
    sources: tuple[_Entry, ...] = ()
    destinations: tuple[_Entry, ...] = ()


def load_registry(*, folder: Path | None = None) -> AirbyteRegistry | None:
    """Returns Airbyte's list, from the disk when it is young, else fetched.

    Returns None when it is switched off or cannot be had, so that nothing fails that can do
    without it. Raises ConfigError when PENSTOCK_REGISTRY names something that is no list.
    """
    address = os.environ.get(VARIABLE, URL)
    if address.lower() in _OFF:
        return None
    if not address.startswith(("http://", "https://")):
        return _read(Path(address).expanduser(), address)
    place = folder or cache_root() / "registries"
    try:
        found = fetch(address, place, max_age_seconds=MAX_AGE_SECONDS)
    except ConnectionFailed as error:
        _log.info("airbyte registry not reachable", extra={"url": address, "why": error.message})
        return None
    return _read(found.path, address)


def _read(path: Path, address: str) -> AirbyteRegistry:
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"The connector registry {address} cannot be read: {error}.",
            remedy=f"Correct {VARIABLE}, or unset it for Airbyte's own.",
        ) from error
    return AirbyteRegistry(
        sources=tuple(map(_entry, document.sources)),
        destinations=tuple(map(_entry, document.destinations)),
    )


def _entry(raw: _Entry) -> RegistryEntry:
    tagged = next((tag[9:] for tag in raw.tags if tag.startswith("language:")), "")
    pypi = raw.remotes.pypi if raw.remotes else None
    return RegistryEntry(
        name=raw.repository.rpartition("/")[2],
        title=raw.title,
        language=raw.language or tagged,
        package=pypi.package if pypi and pypi.enabled else None,
        image=f"{raw.repository}:{raw.tag}" if raw.tag else raw.repository,
        version=raw.tag,
        documentation_url=raw.documentation_url or "",
        support_level=raw.support_level or "",
    )


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Returns up to three of the known names that are most like this one."""
    return get_close_matches(name, known, n=_NEAR, cutoff=0.6)
