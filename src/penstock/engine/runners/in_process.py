"""A native source run inside this process: its pages become canonical batches as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from penstock.data.batch import BatchBuilder, BuiltBatch
from penstock.data.items import (
    Batch,
    Checkpoint,
    ConfigChange,
    Emptied,
    Item,
    LogLine,
    StartsAnew,
    StatusChange,
    Undeclared,
)
from penstock.data.json_rows import JsonRows
from penstock.data.types import columns_of
from penstock.engine.kept_config import KeptConfigs
from penstock.engine.runners.gather import Gather
from penstock.errors import BugError
from penstock.protocol.catalog import Catalog, ConfiguredCatalog, StreamDescriptor
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State
from penstock.sdk.config import parse_config
from penstock.sdk.entrypoint import source_spec
from penstock.sdk.live_config import LiveConfig
from penstock.sdk.reading import Page, ReadItem, connector_error, read_streams
from penstock.sdk.source import Source
from penstock.sdk.stream import catalog_stream

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_BYTES: Final = 32 << 20
"""Larger Arrow batches are cut, so that the buffer between reader and writer stays bounded."""


class InProcessRunner:
    """Runs a native source on the caller's thread. Making one starts nothing."""

    def __init__(
        self, name: str, source_class: type[Source], *, kept: KeptConfigs | None = None
    ) -> None:
        """`kept` is where configurations are that the source changed; else penstock's folder."""
        self._name = name
        self._source_class = source_class
        self._kept = kept or KeptConfigs()

    @property
    def name(self) -> str:
        """The connector's name."""
        return self._name

    @property
    def description(self) -> str:
        """How it runs, for people."""
        return f"{self._name} (native)"

    @property
    def resumes_full_refresh(self) -> bool:
        """True: a native stream's states may be continued from in every mode."""
        return True

    def spec(self) -> ConnectorSpec:
        """Returns the specification derived from the source's configuration class."""
        return source_spec(self._source_class)

    def validate_config(self, config: Mapping[str, Any]) -> None:
        """Raises one ConfigError with every setting the configuration class does not take."""
        parse_config(self._source_class.Config, config)

    def check(self, config: Mapping[str, Any]) -> None:
        """Returns when the source can be read; else raises what `Source.check` raises."""
        live = self._live(config)
        with self._boundary(live):
            live.source().check()

    def discover(self, config: Mapping[str, Any]) -> Catalog:
        """Returns every stream of the source."""
        live = self._live(config)
        with self._boundary(live):
            streams = live.source().streams()
            return Catalog(streams=tuple(catalog_stream(stream) for stream in streams))

    @contextmanager
    def read(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredCatalog,
        states: Sequence[State],
        *,
        is_raw: bool = False,
    ) -> Iterator[InProcessReading]:
        """Prepares the source; it is read as the reading is iterated, one stream after the other.

        What the source raises comes out of the iteration; see `penstock.sdk.reading`.
        """
        live = self._live(config)
        with self._boundary(live):
            source = live.source()
        reading = InProcessReading(source, catalog, states, is_raw=is_raw, live=live)
        try:
            yield reading
        finally:
            reading.stop()

    def _live(self, config: Mapping[str, Any]) -> LiveConfig:
        newest = self._kept.newest(self._name, config)
        return LiveConfig(
            self._source_class, newest, keep=partial(self._kept.keep, self._name, config)
        )

    @contextmanager
    def _boundary(self, live: LiveConfig) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            what = f"The source {self._name}"
            raise connector_error(error, what, secrets=live.secrets) from error


class InProcessReading:
    """One read of a native source: iterate it once, on one thread; `stop` it from any."""

    def __init__(
        self,
        source: Source,
        catalog: ConfiguredCatalog,
        states: Sequence[State],
        *,
        is_raw: bool,
        live: LiveConfig | None = None,
    ) -> None:
        """`live` is the configuration the source was made of, where it has one."""
        self._source = source
        self._live = live
        self._catalog = catalog
        self._states = states
        self._is_raw = is_raw
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the iteration before the source's next page, without an error."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Item]:
        """Yields statuses, batches and checkpoints in the order the source gave them."""
        items = read_streams(
            self._source,
            self._catalog,
            self._states,
            should_stop=self._stopped.is_set,
            secrets=self._secrets,
            may_start_anew=True,
        )
        batches: _Batches | None = None
        try:
            for item in items:
                yield from self._changes()
                if isinstance(item, Page) and (batches is None or not batches.takes(item)):
                    if batches is not None:
                        yield from batches.close()
                    batches = _Batches(item, is_raw=self._is_raw)
                if batches is not None:
                    yield from batches.add(item)
                elif not isinstance(item, Page):
                    yield item
        except Exception:
            if batches is not None:
                yield from batches.flush()
            yield from self._changes()
            raise
        finally:
            if batches is not None:
                batches.builder.close()
        yield from self._changes()

    def _changes(self) -> Iterator[ConfigChange]:
        """Tells of configurations that were kept: they are safe already."""
        for config in self._live.take_changes() if self._live else ():
            yield ConfigChange(config=config)

    def _secrets(self) -> frozenset[str]:
        return self._live.secrets if self._live else frozenset()


class _Batches:
    """The batches of one stream, its small pages put together."""

    def __init__(self, page: Page, *, is_raw: bool) -> None:
        self._page = page
        columns = columns_of(page.configured.stream.json_schema)
        self.builder = BatchBuilder(columns, is_raw=is_raw)
        self._gather = Gather(self.builder)

    def takes(self, page: Page) -> bool:
        """Tells whether a page is of the same stream."""
        return page.configured.descriptor == self._page.configured.descriptor

    def add(self, item: ReadItem) -> Iterator[Item]:
        """Takes what comes next; yields what is due."""
        if isinstance(item, StatusChange | StartsAnew | LogLine | Emptied):
            yield from self.flush()
            yield item
        elif isinstance(item, Checkpoint):
            yield from self._items(self._gather.cover(item))
        elif isinstance(item.rows, list | JsonRows):
            yield from self._items(self._gather.add(item.rows))
        else:
            yield from self.flush()
            yield from self._items(self._from_arrow(item.rows))

    def flush(self) -> Iterator[Item]:
        """Yields everything that waits."""
        yield from self._items(self._gather.flush())

    def close(self) -> Iterator[Item]:
        """Yields everything that waits, and frees the parser's memory."""
        yield from self.flush()
        self.builder.close()

    def _from_arrow(self, batch: pa.RecordBatch) -> Iterator[BuiltBatch]:
        now, sent = int(time.time() * 1000), 0
        for part in _parts(batch):
            built = self.builder.from_arrow(part, extracted_at_ms=now)
            sent += built.rows.num_rows
            yield built
        if sent != batch.num_rows:
            raise BugError(
                f"A page of {batch.num_rows} rows of {self._stream} became {sent} rows.",
                remedy="Report it with the source's name.",
            )

    def _items(self, built: Iterator[BuiltBatch | Checkpoint]) -> Iterator[Item]:
        # A column that was declared and not chosen is no surprise; one that nobody declared is.
        declared = self._page.stream.json_schema.get("properties", {})
        for each in built:
            if isinstance(each, Checkpoint):
                yield each
                continue
            surprises = tuple(name for name in each.undeclared if name not in declared)
            if surprises:
                yield Undeclared(stream=self._stream, properties=surprises)
            yield Batch(stream=self._stream, rows=each.rows, wire_bytes=each.rows.nbytes)

    @property
    def _stream(self) -> StreamDescriptor:
        return self._page.configured.descriptor


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, batch.num_rows * _BATCH_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
