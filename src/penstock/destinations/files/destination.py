"""The files destination: its check, its writers, and what can be read back by the manifests."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Final

from penstock.destinations.files.config import FilesConfig
from penstock.errors import ConfigError, ConnectionFailed
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

    from penstock.sdk.files.manifest import Book, Content, DataFile

_OPENED_AT_ONCE: Final = 128
_TRIES: Final = 20


class FilesDestination:
    """Writes streams as files; a commit is one new manifest, created under a free number."""

    Config: ClassVar[type[FilesConfig]] = FilesConfig
    title: ClassVar[str] = "Files"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-files.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({WriteMode.APPEND, WriteMode.OVERWRITE}),
        exactly_once=True,
        max_identifier_bytes=128,
        reads_back=True,
    )

    def __init__(self, config: FilesConfig) -> None:
        self._config = config
        self._made: Store | None = None
        self._making = threading.Lock()

    @property
    def _store(self) -> Store:
        with self._making:
            if self._made is None:
                self._made = store_of(self._config.path, self._config.storage_options)
            return self._made

    def check(self) -> None:
        """Creates a file, proves that its name is then taken, reads and removes it.

        Raises ConfigError, also for a storage that lets a file be created twice: commits could
        overwrite one another there.
        """
        path = f"_penstock/check-{uuid.uuid4().hex}"
        try:
            is_new = self._store.create(path, b"penstock")
            is_exclusive = not self._store.create(path, b"again")
            with self._store.open(path) as source:
                is_kept = source.read() == b"penstock"
        finally:
            self._store.delete([path])
        if not (is_new and is_exclusive and is_kept):
            raise ConfigError(
                f"{self._config.path} lets a file be created under a name that is taken.",
                remedy="Use a storage with conditional writes (S3's If-None-Match).",
            )

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.destinations.files.writer`."""
        from penstock.destinations.files.writer import files_writer  # noqa: PLC0415 - loads pyarrow

        with files_writer(self._store, self._config, plan) as writer:
            yield writer

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints in the manifests of all tables."""
        return [
            checkpoint.stored()
            for book in self._books()
            for checkpoint in book.newest().checkpoints
            if checkpoint.connection == connection and checkpoint.is_saved
        ]

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a shared state durable; raises ResourceBusy when a newer attempt has stored one."""
        from penstock.sdk.files.manifest import (  # noqa: PLC0415 - loads pyarrow
            SHARED,
            Book,
            Manifest,
            refuse_stale,
            shared_checkpoint,
        )

        def change(manifest: Manifest) -> Manifest:
            refuse_stale(manifest.checkpoint(connection, None), fence)
            return manifest.with_checkpoint(shared_checkpoint(connection, state, fence))

        Book(self._store, SHARED).change(change)

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        for book in self._books():
            if any(c.connection == connection for c in book.newest().checkpoints):
                book.change(lambda manifest: manifest.without(connection, streams))

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table by its manifest, in the kinds they were written in.

        Raises ConfigError when there is no such table; ConnectionFailed when an overwrite replaces
        it while it is read.
        """
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        from penstock.destinations.files.writer import table_folder  # noqa: PLC0415
        from penstock.sdk.files.manifest import book_of  # noqa: PLC0415
        from penstock.sdk.stored_columns import stored_schema  # noqa: PLC0415

        store, folder, book = self._store, table_folder(table), book_of(self._store, table)
        for _ in range(_TRIES):
            content = book.newest().content
            if content is None:
                raise ConfigError(
                    f"There is no table {table} in {self._config.path}.",
                    remedy="Sync the stream first.",
                    table=table,
                )
            batches = _rows_of(store, folder, content, limit)
            try:
                # Where an open file is no protection (S3), it may be gone before it is read.
                first = next(batches, None)
            except FileNotFoundError:
                continue
            rest = _unless_replaced(table, batches)
            rows = rest if first is None else chain([first], rest)
            return pa.RecordBatchReader.from_batches(stored_schema(content.columns), rows)
        raise _replaced(table)

    def count(self, table: TableName) -> int:
        """Returns the rows of a table as its manifest counts them."""
        from penstock.sdk.files.manifest import book_of  # noqa: PLC0415 - loads pyarrow

        content = book_of(self._store, table).newest().content
        return content.rows if content else 0

    def _books(self) -> list[Book]:
        from penstock.sdk.files.manifest import all_books  # noqa: PLC0415 - loads pyarrow

        return all_books(self._store)


def _rows_of(
    store: Store, folder: str, content: Content, limit: int | None
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of one version of a table, the first of its files held open meanwhile.

    Raises FileNotFoundError when an overwrite has removed one.
    """
    from penstock.destinations.files.formats import read_rows  # noqa: PLC0415 (heavy)

    left = limit
    with ExitStack() as closing:
        held = {
            path: closing.enter_context(store.hold(f"{folder}/{path}"))
            for path in _held_at_once(content.files, store.held_bytes)
        }
        for path in (file.path for file in content.files):
            with held.get(path) or store.open(f"{folder}/{path}") as source:
                for rows in read_rows(source, path, content.columns):
                    if left is not None and rows.num_rows >= left:
                        yield rows[:left]
                        return
                    left = None if left is None else left - rows.num_rows
                    yield rows


def _held_at_once(files: Sequence[DataFile], room: int) -> Iterator[str]:
    """Yields the first files, as many as the store may hold at once."""
    for file in files[:_OPENED_AT_ONCE]:
        room -= file.bytes
        if room < 0:
            return
        yield file.path


def _unless_replaced(
    table: TableName, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except FileNotFoundError as error:
        raise _replaced(table) from error


def _replaced(table: object) -> ConnectionFailed:
    return ConnectionFailed(
        f"{table} was replaced while it was being read.", remedy="Read it again."
    )
