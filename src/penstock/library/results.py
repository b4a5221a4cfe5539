"""What a read or a write gives back: datasets, counts, and the receipt that proves them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from penstock.engine.events import Receipt
from penstock.library.datasets import CachedDataset
from penstock.protocol.catalog import ConfiguredCatalog

if TYPE_CHECKING:
    import sqlalchemy

    from penstock.library.caches.base import CacheBase

__all__ = [
    "ReadResult",
    "WriteResult",
]


class ReadResult(Mapping[str, CachedDataset]):
    """The streams of one read, in their cache."""

    def __init__(
        self, *, source_name: str, cache: CacheBase, receipt: Receipt, catalog: ConfiguredCatalog
    ) -> None:
        self.source_name = source_name
        self.receipt = receipt
        self.catalog = catalog
        self._cache = cache
        self._streams = [stream.stream.name for stream in receipt.streams]
        self._names = {str(stream.stream): stream.stream.name for stream in receipt.streams}
        self._names |= {name: name for name in self._streams}

    def __getitem__(self, stream: str) -> CachedDataset:
        return CachedDataset(self._cache, self._names[stream])

    def __contains__(self, stream: object) -> bool:
        return stream in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"ReadResult({self.source_name}: {self.processed_records} records, {self._streams})"

    @property
    def processed_records(self) -> int:
        """Records that were read, sent and committed; the three agree, or `read` had raised."""
        return self.receipt.rows_committed

    @property
    def streams(self) -> Mapping[str, CachedDataset]:
        """The streams of this read."""
        return {name: self[name] for name in self._streams}

    @property
    def cache(self) -> CacheBase:
        """Where they are."""
        return self._cache

    def get_sql_engine(self) -> sqlalchemy.Engine:
        """Returns an SQLAlchemy engine on the cache."""
        return self._cache.get_sql_engine()


class WriteResult:
    """The outcome of writing into a destination."""

    def __init__(self, *, receipt: Receipt) -> None:
        self.receipt = receipt

    @property
    def processed_records(self) -> int:
        """Records that were read, sent and committed."""
        return self.receipt.rows_committed
