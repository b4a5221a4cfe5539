"""What the operator offers an assistant: sources and caches by name, with secrets kept apart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from penstock.engine.airbyte_registry import nearest
from penstock.engine.references import resolve_references
from penstock.engine.runners.masking import Masker
from penstock.errors import ConfigError, PenstockError, ResourceBusy, UnknownName
from penstock.library.caches import DuckDBCache, PostgresCache, get_default_cache
from penstock.library.caches.base import CacheBase
from penstock.library.exceptions import AirbyteConnectorInstallationError
from penstock.library.secrets.lookup import hydrated
from penstock.library.sources import Source, get_source

_CACHES: Final[Mapping[str, Callable[..., CacheBase]]] = {
    "duckdb": DuckDBCache,
    "postgres": PostgresCache,
}
_WAIT_SECONDS: Final = 60.0
"""How long one question waits for another one on the same cache."""


class OfferedSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source of the file, as `get_source` takes it."""

    connector: str
    config: dict[str, Any] = {}
    streams: str | list[str] = "*"
    """Those that are read when the assistant names none."""
    version: str | None = None
    use_python: bool | str | None = None
    pip_url: str | None = None
    local_executable: str | None = None
    docker_image: bool | str | None = None
    use_host_network: bool = False
    source_manifest: bool | str | None = None


class OfferedCache(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cache of the file."""

    type: str
    config: dict[str, Any] = {}
    """The arguments of the cache's class: `db_path`, `schema_name`."""


class Offers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    sources: dict[str, OfferedSource] = {}
    caches: dict[str, OfferedCache] = {}


def offers_of(document: Mapping[str, Any]) -> Offers:
    """Returns the offers of a parsed file; raises ConfigError with the place that is wrong."""
    try:
        offers = msgspec.convert(dict(document), Offers)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The file of sources and caches is wrong: {error}.",
            remedy="docs/how-to/use-with-an-assistant.md shows one.",
        ) from error
    for name, cache in offers.caches.items():
        if cache.type not in _CACHES:
            raise ConfigError(
                f"Cache {name} is of type {cache.type!r}, which there is not.",
                remedy=f"Use one of: {', '.join(_CACHES)}.",
            )
    return offers


class Shelf:
    """Hands out the offered sources and caches, and hides every secret of theirs in any text."""

    def __init__(self, offers: Offers, *, may_install: bool) -> None:
        self._offers = offers
        self._may_install = may_install
        self._masker = Masker()
        self._sources: dict[str, Source] = {}
        self._caches: dict[str, CacheBase] = {}
        self._making = threading.Lock()
        self._in_use: dict[str, threading.Lock] = {}
        for source in offers.sources.values():
            self._learn(source.config)
        for cache in offers.caches.values():
            self._learn(cache.config)

    @property
    def sources(self) -> Mapping[str, OfferedSource]:
        """The sources of the file."""
        return self._offers.sources

    @property
    def cache_names(self) -> list[str]:
        """The caches of the file; without any, `default`: that of `ab.get_default_cache()`."""
        return list(self._offers.caches) or ["default"]

    def masked(self, text: str) -> str:
        """Returns the text with `****` for every secret of every source and cache."""
        return self._masker(text)

    def source(self, name: str) -> Source:
        """Returns an offered source; it is made once. Raises UnknownName with the nearest ones."""
        offered = self._offers.sources.get(name)
        if offered is None:
            raise _unknown("source", name, list(self._offers.sources))
        with self._making:
            if name not in self._sources:
                self._sources[name] = self._made(offered)
            return self._sources[name]

    def connector(self, name: str) -> Source:
        """Returns any source by its connector's name, without a configuration."""
        return self._installable(lambda: get_source(name, install_if_missing=self._may_install))

    @contextmanager
    def cache(self, name: str, *, wait_seconds: float = _WAIT_SECONDS) -> Iterator[CacheBase]:
        """Lends an offered cache to one question at a time.

        Raises ResourceBusy when it has waited: most likely a sync is filling it.
        """
        with self._making:
            if name not in self._caches:
                self._caches[name] = self._made_cache(name)
            cache, lock = self._caches[name], self._in_use.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=wait_seconds):
            raise ResourceBusy(
                f"Cache {name} is in use by another question or sync.",
                remedy="Ask again when that is done.",
            )
        try:
            yield cache
        finally:
            lock.release()

    def _made(self, offered: OfferedSource) -> Source:
        given = msgspec.structs.asdict(offered)
        connector = given.pop("connector")
        source = self._installable(
            lambda: get_source(connector, install_if_missing=self._may_install, **given)
        )
        resolved = resolve_references(hydrated(offered.config))
        self._masker.add(resolved, source.config_spec)
        return source

    def _made_cache(self, name: str) -> CacheBase:
        if name not in self.cache_names:
            raise _unknown("cache", name, self.cache_names)
        offered = self._offers.caches.get(name)
        if offered is None:
            return get_default_cache()
        settings = resolve_references(hydrated(offered.config))
        try:
            return _CACHES[offered.type](**settings)
        except TypeError as error:
            raise ConfigError(
                f"The settings of cache {name} do not fit: {error}.",
                remedy=f"Give those of {offered.type} caches; see the how-to page.",
            ) from error

    def _installable(self, make: Callable[[], Source]) -> Source:
        try:
            return make()
        except AirbyteConnectorInstallationError as error:
            error.remedy = (
                "Ask the person you work for to install it (`penstock sources NAME`), or to start"
                " `penstock mcp` with --allow-writes."
            )
            raise

    def _learn(self, config: Mapping[str, Any]) -> None:
        """Learns what looks secret, and whatever a reference brings, secret-looking or not.

        A reference that cannot be resolved yet is told when its source is used.
        """
        self._masker.add(config)
        try:
            resolved = resolve_references(hydrated(config))
        except PenstockError:
            return
        self._masker.add(resolved)
        self._masker.add({"secret": list(_brought(config, resolved))})


def _brought(given: Any, resolved: Any) -> Iterator[str]:
    """Yields the texts that differ from what was given: references stood there."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield from _brought(value, resolved[str(key)])
    elif isinstance(given, list | tuple):
        for one, other in zip(given, resolved, strict=True):
            yield from _brought(one, other)
    elif isinstance(given, str) and given != resolved:
        yield str(resolved)


def _unknown(kind: str, name: str, known: list[str]) -> UnknownName:
    near = nearest(name, known)
    offer = f"Did you mean {' or '.join(near)}? " if near else ""
    listed = ", ".join(known) or "none; the person who runs penstock adds them to its file"
    return UnknownName(
        f"No {kind} is offered under the name {name!r}.", remedy=f"{offer}There are: {listed}."
    )
