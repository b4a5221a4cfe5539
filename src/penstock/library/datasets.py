"""Streams as data: in a cache, behind a query, still coming, or in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from penstock.library.documents import Document, documents_of
from penstock.library.records import StreamRecord
from penstock.library.sqlalchemy_bridge import table_of, text_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import sqlalchemy
    from pyarrow import dataset as pa_dataset

    from penstock.library.caches.base import CacheBase

__all__ = [
    "CachedDataset",
    "InMemoryDataset",
    "LazyDataset",
    "SQLDataset",
]

_ROWS_A_STEP: Final = 1_000


class Dataset:
    """Records of one stream: what every dataset can do by iterating."""

    def __init__(self, stream_name: str) -> None:
        self.stream_name = stream_name

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """Returns all records as a pandas frame."""
        from penstock.library.frames import frame_of_rows  # noqa: PLC0415 (heavy)

        return frame_of_rows(list(self), self.column_names)

    def to_documents(
        self,
        title_property: str | None = None,
        content_properties: Sequence[str] | None = None,
        metadata_properties: Sequence[str] | None = None,
        *,
        render_metadata: bool = False,
    ) -> Iterable[Document]:
        """Yields one document a record, for language models."""
        return documents_of(
            self,
            title_property=title_property,
            content_properties=content_properties,
            metadata_properties=metadata_properties,
            render_metadata=render_metadata,
        )


class SQLDataset(Dataset):
    """The rows of a SELECT on a cache; nothing is read before it is asked for."""

    def __init__(
        self,
        cache: CacheBase,
        stream_name: str,
        query_statement: str | None = None,
        *,
        conditions: tuple[str, ...] = (),
    ) -> None:
        """Without `query_statement` it is the stream's table, of which `conditions` hold."""
        super().__init__(stream_name)
        self._cache = cache
        self._statement = query_statement
        self._conditions = conditions
        table = (
            f"({query_statement}) AS picked" if query_statement else cache.table_sql(stream_name)
        )
        holds = " AND ".join(f"({condition})" for condition in conditions)
        self._query = f"SELECT * FROM {table}{f' WHERE {holds}' if holds else ''}"  # noqa: S608
        self._count: int | None = None

    @property
    def query_statement(self) -> str:
        """The SELECT."""
        return self._query

    @property
    def column_names(self) -> list[str]:
        """The columns of the result, penstock's own (`_airbyte_…`) among them."""
        sql = f"SELECT * FROM ({self._query}) AS picked LIMIT 0"  # noqa: S608
        return list(self._cache.query(sql).schema.names)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for batch in self._cache.query(self._query):
            for start in range(0, batch.num_rows, _ROWS_A_STEP):
                yield from batch.slice(start, _ROWS_A_STEP).to_pylist()

    def __len__(self) -> int:
        if self._count is None:
            sql = f"SELECT count(*) FROM ({self._query}) AS picked"  # noqa: S608
            self._count = int(next(iter(self._cache.run_sql_query(sql)[0].values())))
        return self._count

    def __bool__(self) -> bool:
        return True

    def with_filter(self, *filter_expressions: object) -> SQLDataset:
        """Returns the rows for which every condition holds; filters add up.

        A condition is SQL text or an SQLAlchemy expression.
        """
        conditions = tuple(text_of(clause) for clause in filter_expressions)
        return SQLDataset(
            self._cache,
            self.stream_name,
            self._statement,
            conditions=(*self._conditions, *conditions),
        )

    def to_reader(self) -> pa.RecordBatchReader:
        """Returns the rows as a stream of Arrow batches: memory stays bounded."""
        return self._cache.query(self._query)

    def to_arrow(self, *, max_chunk_size: int = 100_000) -> pa_dataset.Dataset:
        """Returns an Arrow dataset, read once, now; scanned as often as wanted.

        Memory stays bounded: beyond 512 MiB rows wait in a temporary file, which goes with the
        dataset. `max_chunk_size` is rows a batch at most. `to_reader` keeps nothing at all.
        """
        from penstock.library.spooling import dataset_of  # noqa: PLC0415 (heavy)

        return dataset_of(self.to_reader(), max_chunk_size)

    def to_pandas(self) -> pd.DataFrame:
        """Returns a pandas frame; integers stay integers also where some are missing."""
        from penstock.library.frames import frame_of_table  # noqa: PLC0415 (heavy)

        return frame_of_table(self.to_reader().read_all())

    def to_polars(self) -> pl.DataFrame:
        """Returns a polars frame; needs polars."""
        from penstock.library.frames import polars_of_table  # noqa: PLC0415 (heavy)

        return polars_of_table(self.to_reader().read_all())


class CachedDataset(SQLDataset):
    """One stream's table in a cache."""

    def __init__(self, cache: CacheBase, stream_name: str) -> None:
        super().__init__(cache, stream_name)

    @property
    def cache(self) -> CacheBase:
        """Where it is."""
        return self._cache

    def to_sql_table(self) -> sqlalchemy.Table:
        """Returns the table for SQLAlchemy; needs the extra `penstock[sql]`."""
        return table_of(self._cache, self.stream_name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CachedDataset):
            return NotImplemented
        return self._cache is other._cache and self.stream_name == other.stream_name

    def __hash__(self) -> int:
        return hash((id(self._cache), self.stream_name))


class InMemoryDataset(Dataset):
    """Records that are all here."""

    def __init__(
        self, stream_name: str, records: Iterable[StreamRecord], columns: Sequence[str] = ()
    ) -> None:
        super().__init__(stream_name)
        self._records = list(records)
        self._columns = columns

    @property
    def column_names(self) -> list[str]:
        """The columns, in the order they were first met."""
        known = dict.fromkeys(self._columns)
        for record in self._records:
            known.update(dict.fromkeys(record))
        return list(known)

    def __iter__(self) -> Iterator[StreamRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class LazyDataset(Dataset):
    """Records as the source sends them; leaving it early stops the source."""

    def __init__(
        self,
        stream_name: str,
        start: Callable[[], Generator[StreamRecord, None, None]],
        columns: Sequence[str],
    ) -> None:
        """`start` begins reading; it is called with the first record that is asked for."""
        super().__init__(stream_name)
        self._start = start
        self._records: Generator[StreamRecord, None, None] | None = None
        self._columns = columns
        self._is_closed = False

    @property
    def column_names(self) -> list[str]:
        """The columns the stream declares."""
        return list(self._columns)

    def _running(self) -> Generator[StreamRecord, None, None]:
        if self._records is None:
            self._records = self._start()
        return self._records

    def __iter__(self) -> Generator[StreamRecord, None, None]:
        """Yields what is left; the source stops when the iterator is closed or dropped."""
        return iter(()) if self._is_closed else self._running()  # type: ignore[return-value]

    def __next__(self) -> StreamRecord:
        if self._is_closed:
            raise StopIteration
        return next(self._running())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the source; no more records come."""
        self._is_closed = True
        if self._records is not None:
            self._records.close()

    def fetch_all(self) -> InMemoryDataset:
        """Reads what is left into memory."""
        return InMemoryDataset(self.stream_name, self, self._columns)

    def first(self, count: int) -> InMemoryDataset:
        """Reads at most `count` records into memory, and stops the source."""
        with self:
            records = list(itertools.islice(self, count))
        return InMemoryDataset(self.stream_name, records, self._columns)
