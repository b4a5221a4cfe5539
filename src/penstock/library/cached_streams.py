"""The streams of a cache as a source: what was read once is written elsewhere without rereading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from penstock.data.names import column_names
from penstock.data.types import JSON_TYPE, columns_of
from penstock.engine.runners.in_process import InProcessReading
from penstock.protocol.catalog import (
    Catalog,
    CatalogStream,
    ConfiguredCatalog,
    PropertyPath,
    SyncMode,
)
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State
from penstock.sdk.stream import ReadRequest, catalog_stream
from penstock.sdk.stream import State as Position

if TYPE_CHECKING:
    from penstock.library.caches.base import CacheBase


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedStream:
    """One table of a cache, under the names its source gave."""

    cache: CacheBase
    origin: CatalogStream

    cursor: ClassVar[PropertyPath | None] = None
    modes: ClassVar[tuple[SyncMode, ...]] = (SyncMode.FULL_REFRESH,)
    is_resumable: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As the source calls it."""
        return self.origin.name

    @property
    def namespace(self) -> str | None:
        """As the source calls it."""
        return self.origin.namespace

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """As the source declared it."""
        return self.origin.json_schema

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        """The key the rows were merged by."""
        return self.origin.source_defined_primary_key or ()

    def read(
        self, _request: ReadRequest
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | Position]:
        """Yields the table's rows; a cache has no position, so no state."""
        sources = [column.name for column in columns_of(self.origin.json_schema)]
        limit = self.cache.destination.capabilities.max_identifier_bytes
        columns = list(column_names(sources, max_bytes=limit))
        texts = self.cache.json_columns_of(self.name) & set(columns)
        for batch in self.cache.query(f"SELECT * FROM {self.cache.table_sql(self.name)}"):  # noqa: S608
            if batch.num_rows:
                arrays = [
                    _marked(batch.column(n)) if n in texts else batch.column(n) for n in columns
                ]
                yield type(batch).from_arrays(arrays, names=sources)


def _marked(array: pa.Array) -> pa.Array:
    storage = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
    return pa.ExtensionArray.from_storage(JSON_TYPE, storage.cast(pa.string()))


class CachedSource:
    """The streams of one read as a native source."""

    Config: ClassVar[type[Any]] = object
    title: ClassVar[str] = "Cache"
    documentation_url: ClassVar[str] = ""

    def __init__(self, config: Sequence[CachedStream]) -> None:
        self._streams = config

    def check(self) -> None:
        """Returns at once: what was read into the cache is there."""

    def streams(self) -> Sequence[CachedStream]:
        """Returns the streams of one read."""
        return self._streams


class CacheRunner:
    """Runs the tables of a cache as a source; see `penstock.engine.runners.runner`."""

    resumes_full_refresh = False

    def __init__(self, cache: CacheBase, catalog: ConfiguredCatalog) -> None:
        self._streams = [
            CachedStream(cache=cache, origin=configured.stream) for configured in catalog.streams
        ]

    @property
    def name(self) -> str:
        """Not a connector's."""
        return "cache"

    @property
    def description(self) -> str:
        """How it runs, for people."""
        return "cache"

    def spec(self) -> ConnectorSpec:
        """Returns a specification without settings."""
        return ConnectorSpec(connection_specification={"type": "object", "properties": {}})

    def check(self, config: Mapping[str, Any]) -> None:
        """Returns at once: what was read into the cache is there."""

    def discover(self, _config: Mapping[str, Any]) -> Catalog:
        """Returns the streams of one read."""
        return Catalog(streams=tuple(catalog_stream(stream) for stream in self._streams))

    @contextmanager
    def read(
        self,
        _config: Mapping[str, Any],
        catalog: ConfiguredCatalog,
        states: Sequence[State],
        *,
        is_raw: bool = False,
    ) -> Iterator[InProcessReading]:
        """Reads the tables, one after the other."""
        reading = InProcessReading(CachedSource(self._streams), catalog, states, is_raw=is_raw)
        try:
            yield reading
        finally:
            reading.stop()
