"""What a table consists of: numbered versions, each created once, the highest being the truth.

A change is a function from the newest manifest to the next. When somebody else created that number
first, it is applied again to theirs.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote

import msgspec

from penstock.data.types import Kind
from penstock.errors import DataError, ProtocolError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_states, encode
from penstock.protocol.state import State
from penstock.sdk.destination import StoredState, StreamPlan, TableName
from penstock.sdk.files.store import Store

_KEPT_VERSIONS: Final = 20
_ATTEMPTS: Final = 50
_VERSION: Final = re.compile(r"/versions/v(\d{12})\.json$")
_FORMAT: Final = 1
_BOOKS: Final = "_penstock/tables"
"""Beside the tables, where no glob over one of them looks."""
SHARED: Final = "_penstock/shared"
"""The book of states that all streams of a connection share."""


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows; its path is relative to the table's folder."""

    path: str
    rows: int
    bytes: int
    partition: dict[str, str | None] = {}
    """Values of columns that are not in the file, as text; for formats that keep them apart."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Columns with their kinds, in order, and the files that hold the rows."""

    columns: dict[str, Kind] = {}
    files: tuple[DataFile, ...] = ()

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The newest state of one stream of one connection, and who may write on."""

    connection: str
    name: str | None
    """None for a state that all streams share."""
    namespace: str | None = None
    state: str | None = None
    """The protocol message as text, to the byte."""
    generation_id: int = 0
    is_complete: bool = False
    fence: int = 0
    is_saved: bool = False
    """False while an attempt has begun and nothing was committed."""
    claim: str = ""
    """The writer that opened last; no other may commit."""
    number: int | None = None
    """The transaction of the table's own log that carries it; None when this manifest does."""
    before: Checkpoint | None = None
    """What stands for as long as that transaction is not in the table's log."""

    def settled(self, number: int) -> Checkpoint | None:
        """Returns the checkpoint that stands when the log's newest transaction has this number.

        None when none does: the table was dropped, or made anew by somebody else.
        """
        if self.number in (None, number):
            return self
        return self.before.settled(number) if self.before else None

    def emptied(self) -> Checkpoint:
        """Returns the checkpoint of a stream that committed nothing: its table is gone."""
        return Checkpoint(
            connection=self.connection,
            name=self.name,
            namespace=self.namespace,
            claim=self.claim,
            fence=self.fence,
        )

    @property
    def highest(self) -> int:
        """The highest number that a transaction was ever prepared under."""
        return max(self.number or 0, self.before.highest if self.before else 0)

    @property
    def stream(self) -> StreamDescriptor | None:
        return None if self.name is None else StreamDescriptor(self.name, self.namespace)

    def stored(self) -> StoredState:
        state = next(iter(decode_states(self.state.encode())), None) if self.state else None
        return StoredState(
            stream=self.stream,
            state=state,
            generation_id=self.generation_id,
            is_complete=self.is_complete,
            fence=self.fence,
        )


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of a table, at one moment."""

    format: int = _FORMAT
    table: tuple[str | None, str] | None = None
    content: Content | None = None
    """None until the first publication."""
    staging: dict[str, Content] = {}
    """By generation: rows of an overwrite that is not finished."""
    checkpoints: tuple[Checkpoint, ...] = ()
    garbage: tuple[str, ...] = ()
    """Files that were replaced, by their path in the store, to be removed."""

    def checkpoint(self, connection: str, stream: StreamDescriptor | None) -> Checkpoint | None:
        return next((c for c in self.checkpoints if _is(c, connection, stream)), None)

    def with_checkpoint(self, new: Checkpoint) -> Manifest:
        others = tuple(c for c in self.checkpoints if not _is(c, new.connection, new.stream))
        return msgspec.structs.replace(self, checkpoints=(*others, new))

    def without(self, connection: str, streams: Iterable[StreamDescriptor] | None) -> Manifest:
        gone = None if streams is None else set(streams)
        kept = tuple(
            c
            for c in self.checkpoints
            if c.connection != connection or (gone is not None and c.stream not in gone)
        )
        return msgspec.structs.replace(self, checkpoints=kept)


def _is(checkpoint: Checkpoint, connection: str, stream: StreamDescriptor | None) -> bool:
    return checkpoint.connection == connection and checkpoint.stream == stream


class Book:
    """The versions of one manifest, in a folder of its own."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self.folder = folder

    def newest(self) -> Manifest:
        """Returns the newest manifest; an empty one when there is none."""
        return self._newest()[1]

    def change(self, change: Callable[[Manifest], Manifest]) -> Manifest:
        """Creates the next version, durable on return; an error of `change` changes nothing."""
        for attempt in range(_ATTEMPTS):
            number, manifest = self._newest()
            after = change(manifest)
            if after == manifest:
                return manifest
            path = self._path(number + 1)
            if self._store.create(path, msgspec.json.encode(after)):
                versions = self._versions()
                if number + 1 in versions and _is_whole(versions, number + 1):
                    self._store.delete([self._path(old) for old in versions[:-_KEPT_VERSIONS]])
                    return after
                self._forget_late(number + 1, versions)
            time.sleep(min(0.01 * attempt, 0.2))
        raise ResourceBusy(
            f"{self.folder} was changed by others {_ATTEMPTS} times in a row.",
            remedy="Let fewer syncs write into this table at once.",
        )

    def _forget_late(self, number: int, versions: list[int]) -> None:
        """Takes back a version whose number had been used and cleared away meanwhile."""
        if number != versions[-1]:
            self._store.delete([self._path(number)])

    def _newest(self) -> tuple[int, Manifest]:
        for _ in range(_ATTEMPTS):
            versions = self._versions()
            if not versions:
                return 0, Manifest()
            path = self._path(versions[-1])
            try:
                with self._store.open(path) as source:
                    content = source.read()
            except FileNotFoundError:
                continue
            return versions[-1], _decoded(content, path)
        raise ResourceBusy(
            f"{self.folder} changes faster than it can be read.", remedy="Try again."
        )

    def _versions(self) -> list[int]:
        found = (_VERSION.search(name) for name in self._store.names(f"{self.folder}/versions"))
        return sorted(int(match.group(1)) for match in found if match)

    def _path(self, number: int) -> str:
        return f"{self.folder}/versions/v{number:012d}.json"


def _is_whole(versions: list[int], since: int) -> bool:
    """Tells whether no number after `since` is missing: none has been cleared away."""
    later = [number for number in versions if number >= since]
    return later == list(range(since, since + len(later)))


def book_of(store: Store, table: TableName) -> Book:
    """Returns the book of a table."""
    schema = f"schema={quoted(table.schema)}" if table.schema else "default"
    return Book(store, f"{_BOOKS}/{schema}/{quoted(table.name)}")


def all_books(store: Store) -> list[Book]:
    """Returns the books of all tables, and the shared one, in a store."""
    names = store.names("_penstock")
    folders = {name[: match.start()] for name in names if (match := _VERSION.search(name))}
    return [Book(store, folder) for folder in sorted(folders)]


def quoted(name: str) -> str:
    """Returns a table's name as that of a folder."""
    return quote(name, safe=" ").replace(".", "%2E") if name.startswith(".") else quote(name)


def _decoded(content: bytes, path: str) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, ValueError) as error:
        raise DataError(
            f"{path} is not a manifest that this penstock reads: {error}.",
            remedy="Restore the file, or choose another `path`.",
        ) from error
    if manifest.format != _FORMAT:
        raise DataError(
            f"{path} has format {manifest.format}, written by a newer penstock.",
            remedy="Run: pip install --upgrade penstock",
        )
    return manifest


def claimed(manifest: Manifest, plan: StreamPlan, claim: str) -> Manifest:
    """Returns the manifest with this writer as the only one that may commit the stream."""
    known = manifest.checkpoint(plan.connection, plan.stream)
    refuse_stale(known, plan.fence)
    if known is None:
        known = _new_checkpoint(plan)
    fence = known.fence if known.is_saved else plan.fence
    return manifest.with_checkpoint(msgspec.structs.replace(known, claim=claim, fence=fence))


def remembered(
    manifest: Manifest, plan: StreamPlan, state: State | None, *, claim: str, is_complete: bool
) -> Manifest:
    """Returns the manifest with the stream's new state; no state keeps the one there is.

    Raises ResourceBusy when another writer has opened the stream, or its state was reset.
    """
    known = manifest.checkpoint(plan.connection, plan.stream)
    refuse_stale(known, plan.fence)
    if known is None or known.claim != claim:
        raise ResourceBusy(
            f"Another attempt has opened {plan.stream}, or its state was reset meanwhile.",
            remedy="Leave the sync to the newer attempt, or repeat it.",
            stream=plan.stream,
        )
    is_same = known.generation_id == plan.generation_id
    keeps = known.state if state is None and (is_same or not is_complete) else None
    return manifest.with_checkpoint(
        msgspec.structs.replace(
            known,
            state=keeps if state is None else encode(state).decode(),
            generation_id=plan.generation_id,
            is_complete=is_complete,
            fence=plan.fence,
            is_saved=True,
        )
    )


def begun_anew(manifest: Manifest, plan: StreamPlan) -> Manifest:
    """Returns the manifest without unfinished overwrites, and without the state of their rows."""
    known = manifest.checkpoint(plan.connection, plan.stream)
    if known is not None and not known.is_complete:
        cleared = msgspec.structs.replace(known, state=None)
        manifest = manifest.with_checkpoint(cleared)
    return msgspec.structs.replace(manifest, staging={})


def refuse_stale(known: Checkpoint | None, fence: int) -> None:
    """Raises ResourceBusy when a newer attempt has committed."""
    if known is not None and known.fence > fence:
        raise ResourceBusy(
            f"Attempt {known.fence} of this sync has taken over from attempt {fence}.",
            remedy="Leave the sync to the newer attempt; this one changes nothing any more.",
        )


def require_staging(manifest: Manifest, plan: StreamPlan) -> None:
    """Raises ProtocolError when there is nothing that this attempt could continue."""
    if str(plan.generation_id) not in manifest.staging:
        raise ProtocolError(
            f"Generation {plan.generation_id} of {plan.table} has no rows to continue from.",
            remedy="Start the stream anew: penstock state reset.",
        )


def _new_checkpoint(plan: StreamPlan) -> Checkpoint:
    return Checkpoint(
        connection=plan.connection,
        name=plan.stream.name,
        namespace=plan.stream.namespace,
        generation_id=plan.generation_id,
        fence=plan.fence,
    )


def shared_checkpoint(connection: str, state: State, fence: int) -> Checkpoint:
    """Returns the checkpoint of a state that all streams of a connection share."""
    return Checkpoint(
        connection=connection,
        name=None,
        state=encode(state).decode(),
        fence=fence,
        is_saved=True,
    )


def owner_of(connection: str, stream: str | None, namespace: str | None) -> str:
    """Returns a short name of a connection's stream, for its files and transactions."""
    who = f"{connection}\0{namespace}\0{stream}"
    return hashlib.sha256(who.encode()).hexdigest()[:12]


def staged_in(manifest: Manifest, folder: str) -> set[str]:
    """Returns the paths in the store of all rows that wait beside a table; `folder` its book's."""
    return {
        f"{folder}/staging/{generation}/{file.path}"
        for generation, content in manifest.staging.items()
        for file in content.files
    }


def with_garbage(manifest: Manifest, paths: set[str]) -> Manifest:
    """Returns the manifest with more files to be removed."""
    garbage = tuple(sorted({*manifest.garbage, *paths}))
    return msgspec.structs.replace(manifest, garbage=garbage)
