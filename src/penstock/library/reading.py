"""One read: into a cache with its receipt, or record by record to whoever iterates."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.data.items import Batch, ConfigChange, ErrorTrace, StatusChange
from penstock.engine.events import ConfigChanged, Event, Receipt, SyncFinished
from penstock.engine.run import run
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import RunSpec
from penstock.errors import BugError, ConnectorFailed
from penstock.library.callbacks import ConfigChangeCallback
from penstock.library.exceptions import (
    AirbyteConnectorFailedError,
    AirbyteConnectorReadError,
    PyAirbyteCacheError,
    PyAirbyteError,
    error_from_document,
    named,
)
from penstock.library.progress import Progress, ProgressStyle, progress_of
from penstock.library.records import StreamRecord
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream
from penstock.protocol.messages import StreamStatusKind

_ROWS_A_STEP: Final = 1_000
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_OF_THE_CACHE: Final = frozenset({"resource_busy", "resource_exhausted"})


def run_sync(
    spec: RunSpec,
    runner: SourceRunner,
    *,
    data_dir: Path | None,
    progress: ProgressStyle | str | Progress,
    on_config: ConfigChangeCallback,
    stop: threading.Event | None = None,
) -> Receipt:
    """Runs one sync and returns its receipt; raises what made it fail, or Cancelled by `stop`.

    What was committed before a failure stays, with the state that covers it.
    """
    receipt: Receipt | None = None
    with (
        progress_of(progress) as shown,
        _closed(run(spec, stop=stop, runner=runner, data_dir=data_dir)) as events,
    ):
        for event in events:
            shown.tell(event)
            if isinstance(event, ConfigChanged):
                on_config(event.config)
            elif isinstance(event, SyncFinished):
                receipt = event.receipt
    if receipt is None:
        raise BugError("The sync ended without a receipt.", remedy="Report it.")
    if receipt.error is not None:
        raise _failure(receipt.error, spec)
    return receipt


@contextmanager
def _closed(events: Iterator[Event]) -> Iterator[Iterator[Event]]:
    """Ends the sync however it is left: after Ctrl-C in a notebook nothing keeps the cache open."""
    try:
        yield events
    finally:
        if isinstance(events, Generator):
            events.close()


def _failure(document: dict[str, Any], spec: RunSpec) -> PyAirbyteError:
    is_of_cache = document.get("code") in _OF_THE_CACHE
    kind = PyAirbyteCacheError if is_of_cache else AirbyteConnectorFailedError
    return error_from_document(document, kind, connector=spec.source.name)


def read_records(
    runner: SourceRunner,
    config: Mapping[str, Any],
    stream: ConfiguredStream,
    *,
    make_record: Callable[..., StreamRecord],
    on_config: ConfigChangeCallback,
    limit: int | None = None,
    stop_event: threading.Event | None = None,
) -> Generator[StreamRecord, None, None]:
    """Yields records as they come, from the beginning; closing the generator stops the source.

    A failure of the source is raised after the records it sent before.
    """
    catalog = ConfiguredCatalog(streams=(stream,))
    count, failures = 0, []
    with (
        named(AirbyteConnectorReadError, connector=runner.name, stream=stream.stream.name),
        runner.read(config, catalog, (), is_raw=True) as reading,
    ):
        for item in reading:
            match item:
                case Batch():
                    for data, extracted_at in _values(item):
                        if limit is not None and count >= limit:
                            return
                        if stop_event is not None and stop_event.is_set():
                            return
                        count += 1
                        yield make_record(data, extracted_at=extracted_at)
                    if limit is not None and count >= limit:
                        return
                case ErrorTrace():
                    failures.append(item.error.message)
                case StatusChange(status=StreamStatusKind.INCOMPLETE):
                    failures.append(f"stream {item.stream} was not completed")
                case ConfigChange():
                    on_config(item.config)
                case _:
                    continue
        if failures:
            raise ConnectorFailed(
                f"{runner.name} failed after {count} records: {'; '.join(failures)}",
                remedy="Mend what it names and read again.",
            )


def _values(batch: Batch) -> Generator[tuple[dict[str, Any], dt.datetime], None, None]:
    """Yields each record's own JSON as Python values (integers of any size) and its moment."""
    for start in range(0, batch.rows.num_rows, _ROWS_A_STEP):
        rows = batch.rows.slice(start, _ROWS_A_STEP)
        data = rows.column("_airbyte_data")
        moments = rows.column("_airbyte_extracted_at").to_pylist()
        texts = getattr(data, "storage", data).to_pylist()
        for text, moment in zip(texts, moments, strict=True):
            yield _decode(text), moment
