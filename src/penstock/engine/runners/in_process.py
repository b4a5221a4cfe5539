"""A native source run inside this process: its pages become canonical batches as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from penstock.data.batch import BatchBuilder, BuiltBatch
from penstock.data.items import Batch, ConfigChange, Item, Undeclared
from penstock.data.json_rows import JsonRows
from penstock.data.types import columns_of
from penstock.engine.kept_config import KeptConfigs
from penstock.errors import BugError
from penstock.protocol.catalog import Catalog, ConfiguredCatalog, StreamDescriptor
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State
from penstock.sdk.entrypoint import source_spec
from penstock.sdk.live_config import LiveConfig
from penstock.sdk.reading import Page, connector_error, read_streams
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
        builder: BatchBuilder | None = None
        stream: StreamDescriptor | None = None
        items = read_streams(
            self._source,
            self._catalog,
            self._states,
            should_stop=self._stopped.is_set,
            secrets=self._secrets,
        )
        try:
            for item in items:
                yield from self._changes()
                if not isinstance(item, Page):
                    yield item
                    continue
                if builder is None or item.configured.descriptor != stream:
                    if builder is not None:
                        builder.close()
                    stream = item.configured.descriptor
                    columns = columns_of(item.configured.stream.json_schema)
                    builder = BatchBuilder(columns, is_raw=self._is_raw)
                yield from _built(item, builder)
        except Exception:
            yield from self._changes()
            raise
        finally:
            if builder is not None:
                builder.close()
        yield from self._changes()

    def _changes(self) -> Iterator[ConfigChange]:
        """Tells of configurations that were kept: they are safe already."""
        for config in self._live.take_changes() if self._live else ():
            yield ConfigChange(config=config)

    def _secrets(self) -> frozenset[str]:
        return self._live.secrets if self._live else frozenset()


def _built(page: Page, builder: BatchBuilder) -> Iterator[Item]:
    stream, now = page.configured.descriptor, int(time.time() * 1000)
    if isinstance(page.rows, list):
        yield from _items(page, builder.from_rows(page.rows, extracted_at_ms=now))
        return
    if isinstance(page.rows, JsonRows):
        yield from _items(page, builder.from_texts(page.rows.texts, extracted_at_ms=now))
        return
    sent = 0
    for part in _parts(page.rows):
        built = builder.from_arrow(part, extracted_at_ms=now)
        sent += built.rows.num_rows
        yield from _items(page, built)
    if sent != page.count:
        raise BugError(
            f"A page of {page.count} rows of {stream} became {sent} rows.",
            remedy="Report it with the source's name.",
        )


def _items(page: Page, built: BuiltBatch) -> Iterator[Item]:
    stream = page.configured.descriptor
    # A column that was declared and not chosen is no surprise; one that nobody declared is.
    declared = page.stream.json_schema.get("properties", {})
    surprises = tuple(name for name in built.undeclared if name not in declared)
    if surprises:
        yield Undeclared(stream=stream, properties=surprises)
    yield Batch(stream=stream, rows=built.rows, wire_bytes=built.rows.nbytes)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, batch.num_rows * _BATCH_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
