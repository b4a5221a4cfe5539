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

from penstock.engine.fetch import fetch
from penstock.errors import ConfigError, PenstockError
from penstock.sdk.cache_root import cache_root

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
    repository: str
    """Of its image: "airbyte/source-stripe"."""
    version: str
    documentation_url: str
    support_level: str

    def image_of(self, version: str | None) -> str:
        """Returns its image in this version, or the list's."""
        tag = version or self.version
        return f"{self.repository}:{tag}" if tag else self.repository


@dataclass(frozen=True, slots=True, kw_only=True)
class AirbyteRegistry:
    """The list, read once."""

    sources: tuple[RegistryEntry, ...] = ()
    destinations: tuple[RegistryEntry, ...] = ()

    def find(self, name: str) -> RegistryEntry | None:
        """Returns the connector of this name ("source-stripe"); None when it is not in the list."""
        return next((e for e in (*self.sources, *self.destinations) if e.name == name), None)


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
    try:
        found = fetch(
            address, folder or cache_root() / "registries", max_age_seconds=MAX_AGE_SECONDS
        )
        return _read(found.path, address)
    except PenstockError as error:
        if address != URL and isinstance(error, ConfigError):
            raise
        _log.info("airbyte registry not to be had", extra={"url": address, "why": error.message})
        return None


def _read(path: Path, address: str) -> AirbyteRegistry:
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
    except (OSError, msgspec.DecodeError) as error:
        if address.startswith("http") and path.exists():
            path.unlink()  # what was fetched is of no use: the next time asks again
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
        repository=raw.repository,
        version=raw.tag,
        documentation_url=raw.documentation_url or "",
        support_level=raw.support_level or "",
    )


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Returns up to three of the known names that are most like this one."""
    return get_close_matches(name, known, n=_NEAR, cutoff=0.6)
