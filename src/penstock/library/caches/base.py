"""A cache: a destination that reads back, its tables as datasets, and SQL on them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from penstock.data.names import table_name
from penstock.engine.settings import ConnectorRef
from penstock.library.caches.bookkeeping import Bookkeeping
from penstock.library.datasets import CachedDataset
from penstock.library.exceptions import PyAirbyteInputError
from penstock.protocol.catalog import CatalogStream
from penstock.sdk.destination import (
    Destination,
    ReadsBack,
    RunsSql,
    StoresState,
    TableName,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import sqlalchemy
    from pyarrow import dataset as pa_dataset

    from penstock.library.sources import Source

_JSON_TYPES: Final = frozenset({"json", "jsonb", "variant"})
_SCHEMA_NAME: Final = re.compile(r"\w+")


class CacheDestination(Destination, StoresState, ReadsBack, RunsSql, Protocol):
    """What a destination must be able to do to be a cache's."""


class CacheBase:
    """Holds synced streams; a mapping of stream name to dataset. Has a destination, is none."""

    def __init__(
        self,
        destination: CacheDestination,
        reference: ConnectorRef,
        *,
        schema_name: str,
        table_prefix: str | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        """`reference` names the same destination for the engine, with its configuration."""
        if not _SCHEMA_NAME.fullmatch(schema_name):
            raise PyAirbyteInputError(
                f"{schema_name!r} cannot be the name of a schema.",
                remedy="Use letters, digits and underscores.",
            )
        self.schema_name = schema_name
        self.table_prefix = table_prefix or ""
        self.cache_dir = cache_dir or Path(".cache")
        self.destination = destination
        self.reference = reference
        self.writing = threading.Lock()
        """Held by `read`: one sync at a time fills a cache."""

    @property
    def name(self) -> str:
        """What the cache is, for people."""
        return type(self).__name__

    @property
    def data_dir(self) -> Path | None:
        """Where locks and receipts of its syncs are kept; None is penstock's own folder."""
        return None

    @property
    def bookkeeping(self) -> Bookkeeping:
        """PyAirbyte's own tables in this cache."""
        return Bookkeeping(self.destination, self.schema_name)

    def table_of(self, stream_name: str) -> TableName:
        """Returns where a stream lands."""
        limit = self.destination.capabilities.max_identifier_bytes
        name = table_name(self.table_prefix + stream_name, max_bytes=limit)
        return TableName(schema=self.schema_name, name=name)

    def table_sql(self, stream_name: str) -> str:
        """Returns a stream's table as SQL: quoted, in its schema."""
        return self.destination.table_sql(self.table_of(stream_name))

    @property
    def streams(self) -> dict[str, CachedDataset]:
        """Every stream that has a table here, also those of PyAirbyte, by name."""
        return {
            entry.stream_name: CachedDataset(self, entry.stream_name)
            for entry in self.bookkeeping.streams()
            if entry.table_name == self.table_prefix + entry.stream_name
            and self.destination.has_table(self.table_of(entry.stream_name))
        }

    def __getitem__(self, stream: str) -> CachedDataset:
        if not self.destination.has_table(self.table_of(stream)):
            raise KeyError(stream)
        return CachedDataset(self, stream)

    def __contains__(self, stream: object) -> bool:
        return isinstance(stream, str) and stream in self.streams

    def __iter__(self) -> Iterator[tuple[str, CachedDataset]]:
        """Yields pairs of name and dataset, as PyAirbyte's caches do."""
        return iter(self.streams.items())

    def __len__(self) -> int:
        return len(self.streams)

    def __bool__(self) -> bool:
        return True

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
        """Lets go of the database; a cache may be used again afterwards."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.get_database_name()}, schema={self.schema_name})"

    def get_records(self, stream_name: str) -> CachedDataset:
        """Returns a stream as a dataset."""
        return self[stream_name]

    def get_pandas_dataframe(self, stream_name: str) -> pd.DataFrame:
        """Returns a stream as a pandas frame."""
        return self[stream_name].to_pandas()

    def get_arrow_dataset(
        self, stream_name: str, *, max_chunk_size: int = 100_000
    ) -> pa_dataset.Dataset:
        """Returns a stream as an Arrow dataset."""
        return self[stream_name].to_arrow(max_chunk_size=max_chunk_size)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of a SELECT as they come, in Arrow batches."""
        return self.destination.query(sql, parameters)

    def run_sql_query(
        self, sql_query: str, *, max_records: int | None = None
    ) -> list[dict[str, Any]]:
        """Returns the rows of a SELECT as dicts, at most `max_records` of them."""
        rows: list[dict[str, Any]] = []
        for batch in self.destination.query(sql_query):
            left = None if max_records is None else max_records - len(rows)
            rows += (batch if left is None else batch.slice(0, left)).to_pylist()
            if max_records is not None and len(rows) >= max_records:
                break
        return rows

    def execute_sql(self, sql: str | Iterable[str]) -> None:
        """Runs one or several statements in one transaction."""
        statements = [sql] if isinstance(sql, str) else list(sql)
        self.destination.execute([(statement, ()) for statement in statements])

    def register_source(self, source_name: str, streams: Iterable[CatalogStream]) -> None:
        """Records the streams of a source, so that they are found here later."""
        self.bookkeeping.register(source_name, streams, self.table_prefix)

    def create_source_tables(
        self, source: Source, streams: str | Sequence[str] | None = None
    ) -> None:
        """Makes the tables of the chosen streams, empty where they were not there."""
        source.make_tables(self, streams)

    def fetch_table_statistics(self, stream_names: Iterable[str]) -> dict[str, dict[str, int]]:
        """Returns the number of rows of each stream's table."""
        return {
            name: {"num_rows": self.destination.count(self.table_of(name))} for name in stream_names
        }

    def json_schema_of(self, stream_name: str) -> Mapping[str, Any] | None:
        """Returns the schema a stream was last registered with."""
        for entry in self.bookkeeping.streams():
            if entry.table_name == self.table_prefix + stream_name:
                return entry.json_schema
        return None

    def json_columns_of(self, stream_name: str) -> set[str]:
        """Returns the columns whose texts are JSON; in Arrow they look like any text."""
        table = self.table_of(stream_name)
        mark = self.destination.placeholder
        found = self.query(
            "SELECT column_name AS name, data_type AS type FROM information_schema.columns"  # noqa: S608
            f" WHERE table_schema = {mark} AND table_name = {mark}",
            (table.schema, table.name),
        )
        rows = found.read_all().to_pylist()
        return {row["name"] for row in rows if row["type"].lower() in _JSON_TYPES}

    def get_database_name(self) -> str:
        """Returns the name of the database."""
        raise NotImplementedError

    def get_sql_alchemy_url(self) -> str:
        """Returns the address SQLAlchemy reaches the database by."""
        raise NotImplementedError

    def get_sql_engine(self) -> sqlalchemy.Engine:
        """Returns an SQLAlchemy engine; needs the extra `penstock[sql]`."""
        from penstock.library.sqlalchemy_bridge import engine_of  # noqa: PLC0415 (an extra)

        return engine_of(self.get_sql_alchemy_url())
