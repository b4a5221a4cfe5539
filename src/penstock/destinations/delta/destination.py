"""The Delta Lake destination: its check, its writers, its checkpoints, and what is read back."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from penstock.data.types import Kind
from penstock.destinations.delta.config import DeltaConfig, delta_storage_options
from penstock.errors import ConfigError, MissingDriver, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State
from penstock.sdk.destination import (
    Capabilities,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.files.store import Store, store_of

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.destinations.delta.table import Lake
    from penstock.sdk.files.manifest import Book, Checkpoint, Manifest

_TRIES: Final = 50


class DeltaDestination:
    """Writes streams as Delta tables; rows and checkpoint by one entry of a table's log."""

    Config: ClassVar[type[DeltaConfig]] = DeltaConfig
    title: ClassVar[str] = "Delta Lake"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-delta.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        kinds=frozenset(Kind) - {Kind.TIME},
        max_identifier_bytes=128,
        reads_back=True,
    )

    def __init__(self, config: DeltaConfig) -> None:
        self._config = config
        self._made: tuple[Store, Lake] | None = None
        self._making = threading.Lock()

    @classmethod
    def apart(cls, config: DeltaConfig, name: str) -> DeltaConfig:
        """Returns the configuration with a folder of this name below its own."""
        return replace(config, path=f"{config.path.rstrip('/')}/{name}")

    def discard(self) -> None:
        """Removes the folder with all that is in it."""
        store, _ = self._place()
        store.delete(store.names(""))

    def check(self) -> None:
        """Proves that a name is taken once, and that a table can be made; leaves nothing.

        Raises ConfigError, also for a storage that lets a file be created twice: commits could
        overwrite one another there.
        """
        store, lake = self._place()
        trial = f"check-{uuid.uuid4().hex}"
        marker = f"_penstock/{trial}"
        is_new = store.create(marker, b"penstock")
        try:
            is_exclusive = not store.create(marker, b"again")
            lake.make(
                TableName(schema="_penstock", name=f"{trial}-table"), {"id": Kind.INTEGER}, ()
            )
        finally:
            left = [name for name in store.names("_penstock") if trial in name]
            store.delete([marker, *left])
        if not (is_new and is_exclusive):
            raise ConfigError(
                f"{self._config.path} lets a file be created under a name that is taken.",
                remedy="Use a storage with conditional writes (S3's If-None-Match).",
            )

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.destinations.delta.writer`."""
        store, lake = self._place()
        from penstock.destinations.delta.writer import delta_writer  # noqa: PLC0415 - an extra

        with delta_writer(lake, store, self._config, plan) as writer:
            yield writer

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints that the logs of their tables name."""
        return [
            checkpoint.stored()
            for book in self._books()
            for checkpoint in self._standing(book, connection)
            if checkpoint.is_saved
        ]

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a shared state durable; raises ResourceBusy when a newer attempt has stored one."""
        from penstock.sdk.files.manifest import (  # noqa: PLC0415 - loads pyarrow
            SHARED,
            Book,
            refuse_stale,
            shared_checkpoint,
        )

        def change(manifest: Manifest) -> Manifest:
            refuse_stale(manifest.checkpoint(connection, None), fence)
            return manifest.with_checkpoint(shared_checkpoint(connection, state, fence))

        Book(self._place()[0], SHARED).change(change)

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        for book in self._books():
            if any(c.connection == connection for c in book.newest().checkpoints):
                book.change(lambda manifest: manifest.without(connection, streams))

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of one version of a table; ConfigError when there is no such table."""
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        rows = self._place()[1].open(table).reader()
        if limit is None:
            return rows

        def limited() -> Iterator[pa.RecordBatch]:
            left = limit
            for batch in rows:
                if left <= 0:
                    return
                yield batch[:left]
                left -= batch.num_rows

        return pa.RecordBatchReader.from_batches(rows.schema, limited())

    def count(self, table: TableName) -> int:
        """Returns the rows of a table as its log counts them."""
        seen = self._place()[1].find(table)
        return seen.rows() if seen else 0

    def _standing(self, book: Book, connection: str) -> list[Checkpoint]:
        """Returns the checkpoints of a book that stand by the log of its table.

        A writer that went on between a look at the book and one at the log shows in the book.
        """
        for _ in range(_TRIES):
            manifest = book.newest()
            known = [c for c in manifest.checkpoints if c.connection == connection]
            standing = [self._stands(c, manifest) for c in known]
            if all(standing) or book.newest() == manifest:
                return [checkpoint for checkpoint in standing if checkpoint]
        raise ResourceBusy(
            f"{book.folder} changes faster than it can be read.", remedy="Try again."
        )

    def _stands(self, checkpoint: Checkpoint, manifest: Manifest) -> Checkpoint | None:
        if checkpoint.number is None or manifest.table is None:
            return checkpoint
        from penstock.sdk.files.manifest import owner_of  # noqa: PLC0415 - loads pyarrow

        schema, name = manifest.table
        seen = self._place()[1].find(TableName(schema=schema, name=name))
        owner = owner_of(checkpoint.connection, checkpoint.name, checkpoint.namespace)
        return checkpoint.settled(seen.number(owner) if seen else 0)

    def _books(self) -> list[Book]:
        from penstock.sdk.files.manifest import all_books  # noqa: PLC0415 - loads pyarrow

        return all_books(self._place()[0])

    def _place(self) -> tuple[Store, Lake]:
        """Returns where books and files lie, and the tables there."""
        with self._making:
            if self._made is None:
                self._made = store_of(self._config.path, self._config.storage_options), self._lake()
            return self._made

    def _lake(self) -> Lake:
        try:
            from penstock.destinations.delta.table import Lake  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingDriver(
                "Delta Lake needs a package that is not installed.",
                remedy="Run: pip install 'penstock[delta]'",
            ) from error
        path = self._config.path
        if "://" not in path or path.lower().startswith("file://"):
            plain = os.path.expandvars(path.removeprefix("file://"))
            path = str(Path(plain).expanduser().absolute())
        return Lake(path.rstrip("/"), delta_storage_options(self._config))
