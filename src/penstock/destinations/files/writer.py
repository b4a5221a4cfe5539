"""One stream into one table: files first, then the manifest that names them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pyarrow as pa

from penstock.destinations.files.config import FilesConfig
from penstock.destinations.files.formats import read_rows
from penstock.destinations.files.parts import Part, Parts
from penstock.errors import BugError, ResourceBusy
from penstock.protocol.state import State
from penstock.sdk.destination import StreamPlan, TableName
from penstock.sdk.files.manifest import (
    Content,
    DataFile,
    Manifest,
    begun_anew,
    book_of,
    claimed,
    owner_of,
    quoted,
    remembered,
    require_staging,
    staged_in,
    with_garbage,
)
from penstock.sdk.files.store import Store, remove_spool
from penstock.sdk.stored_columns import fitted_kinds, landed_in, planned_kinds, refitted


def table_folder(table: TableName) -> str:
    """Returns the folder of a table's data files."""
    name = quoted(table.name)
    return f"{quoted(table.schema)}/{name}" if table.schema else name


@contextmanager
def files_writer(store: Store, config: FilesConfig, plan: StreamPlan) -> Iterator[FilesWriter]:
    """Opens a stream: claims it, fits the table's columns, clears away what nobody refers to."""
    writer = FilesWriter(store, config, plan)
    writer.claim()
    try:
        yield writer
    finally:
        writer.close()


class FilesWriter:
    """Writes data files into a spool; a commit moves them in and creates one manifest version."""

    def __init__(self, store: Store, config: FilesConfig, plan: StreamPlan) -> None:
        self._store = store
        self._config = config
        self._plan = plan
        self._book = book_of(store, plan.table)
        self._folder = table_folder(plan.table)
        self._claim = uuid.uuid4().hex
        self._owner = owner_of(plan.connection, plan.stream.name, plan.stream.namespace)
        self._generation = str(plan.generation_id) if plan.mode.is_overwrite else None
        self._parts: Parts | None = None
        self._spool = f"{self._book.folder}/open/{self._owner}-{self._claim}"
        self._is_over = False

    def claim(self) -> None:
        """Makes this writer the only one of its stream; raises ResourceBusy for a stale attempt."""
        before = self._own_files()
        manifest = self._book.change(self._claimed)
        known = _files_in(manifest, self._folder, self._book.folder)
        self._store.delete([name for name in before if name not in known])
        self._drop_garbage(manifest)
        self._kinds = self._target(manifest).columns

    def write(self, batch: pa.RecordBatch) -> None:
        self._refuse_if_over()
        rows = landed_in(batch, self._plan, self._kinds)
        if self._parts is None:
            spool = self._store.spool(self._spool)
            self._parts = Parts(spool, self._config, self._kinds, owner=self._owner)
        self._parts.write(rows)

    def commit(self, state: State | None) -> int:
        self._refuse_if_over()
        files = self._taken()

        def change(manifest: Manifest) -> Manifest:
            manifest = remembered(manifest, self._plan, state, claim=self._claim, is_complete=False)
            return self._with_files(manifest, files)

        self._book.change(change)
        return sum(file.rows for file in files)

    def finish(self, state: State | None) -> int:
        self._refuse_if_over()
        files = self._taken()

        def change(manifest: Manifest) -> Manifest:
            manifest = remembered(manifest, self._plan, state, claim=self._claim, is_complete=True)
            return self._published(self._with_files(manifest, files))

        manifest = self._book.change(change)
        self._is_over = True
        self._drop_garbage(manifest)
        return sum(file.rows for file in files)

    def close(self) -> None:
        """Removes what was not committed."""
        self._is_over = True
        if self._parts is not None:
            self._parts.discard()

    def _claimed(self, manifest: Manifest) -> Manifest:
        plan = self._plan
        manifest = claimed(manifest, plan, self._claim)
        if self._generation is not None:
            if plan.resumes:
                require_staging(manifest, plan)
            else:
                staged = staged_in(manifest, self._book.folder)
                manifest = with_garbage(begun_anew(manifest, plan), staged)
        table = (plan.table.schema, plan.table.name)
        manifest = msgspec.structs.replace(manifest, table=table)
        return self._fitted(manifest)

    def _fitted(self, manifest: Manifest) -> Manifest:
        """Gives the target the plan's columns; files whose types change are written anew."""
        old = self._target(manifest)
        kinds = fitted_kinds(old.columns, planned_kinds(self._plan))
        if all(kinds[name] is kind for name, kind in old.columns.items()):
            return self._with_target(manifest, msgspec.structs.replace(old, columns=kinds))
        spool = self._store.spool(self._spool)
        try:
            parts = Parts(spool, self._config, kinds, owner=self._owner)
            for file in old.files:
                with self._store.open(self._path_of(file.path)) as source:
                    for rows in read_rows(source, file.path, old.columns):
                        parts.write(refitted(rows, old.columns, kinds))
            files = self._moved_in(parts.take())
        finally:
            remove_spool(spool)
        manifest = with_garbage(manifest, {self._path_of(file.path) for file in old.files})
        return self._with_target(manifest, Content(columns=kinds, files=files))

    def _taken(self) -> tuple[DataFile, ...]:
        return self._moved_in(self._parts.take()) if self._parts is not None else ()

    def _moved_in(self, parts: list[Part]) -> tuple[DataFile, ...]:
        for part in parts:
            self._store.take(part.local, self._path_of(part.path))
        return tuple(DataFile(path=p.path, rows=p.rows, bytes=p.bytes) for p in parts)

    def _path_of(self, path: str) -> str:
        """Returns where in the store a file of the target lies."""
        folder = self._folder if self._generation is None else self._staging_folder
        return f"{folder}/{path}"

    @property
    def _staging_folder(self) -> str:
        return f"{self._book.folder}/staging/{self._generation}"

    def _target(self, manifest: Manifest) -> Content:
        if self._generation is None:
            return manifest.content or Content()
        return manifest.staging.get(self._generation, Content())

    def _with_target(self, manifest: Manifest, content: Content) -> Manifest:
        if self._generation is None:
            return msgspec.structs.replace(manifest, content=content)
        staging = {**manifest.staging, self._generation: content}
        return msgspec.structs.replace(manifest, staging=staging)

    def _with_files(self, manifest: Manifest, files: tuple[DataFile, ...]) -> Manifest:
        target = self._target(manifest)
        if target.columns != self._kinds:
            self._is_over = True
            raise ResourceBusy(
                f"Another sync changed the columns of {self._plan.table} meanwhile.",
                remedy="Sync again; let one connection at a time write into this table.",
                stream=self._plan.stream,
            )
        grown = msgspec.structs.replace(target, files=(*target.files, *files))
        return self._with_target(manifest, grown)

    def _published(self, manifest: Manifest) -> Manifest:
        """Puts the rows of a finished overwrite in the place of the table's."""
        if self._generation is None:
            return manifest
        new = self._target(manifest)
        for file in new.files:
            self._store.copy(self._path_of(file.path), f"{self._folder}/{file.path}")
        old = manifest.content.files if manifest.content else ()
        garbage = {f"{self._folder}/{file.path}" for file in old}
        garbage |= staged_in(manifest, self._book.folder)
        manifest = msgspec.structs.replace(manifest, content=new, staging={})
        return with_garbage(manifest, garbage)

    def _own_files(self) -> list[str]:
        """Returns this stream's files, listed before the claim.

        Those that the claimed manifest does not name are of attempts that can commit no more;
        a list made later could hold the files of an attempt that is newer than this one.
        """
        spools = self._store.names(f"{self._book.folder}/open")
        data = self._store.names(self._folder) + self._store.names(f"{self._book.folder}/staging")
        return [name for name in spools if f"/open/{self._owner}-" in name] + [
            name for name in data if name.rsplit("/", 1)[-1].startswith(f"{self._owner}-")
        ]

    def _drop_garbage(self, manifest: Manifest) -> None:
        if not manifest.garbage:
            return
        gone = set(manifest.garbage)
        self._store.delete(sorted(gone))
        self._book.change(
            lambda newest: msgspec.structs.replace(
                newest, garbage=tuple(g for g in newest.garbage if g not in gone)
            )
        )

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise BugError(
                f"The writer of {self._plan.stream} was used after it had finished or failed.",
                remedy="Report it with the log of this sync.",
                stream=self._plan.stream,
            )


def _files_in(manifest: Manifest, folder: str, book: str) -> set[str]:
    """Returns the paths in the store of all files that a manifest names."""
    files = manifest.content.files if manifest.content else ()
    return {f"{folder}/{file.path}" for file in files} | staged_in(manifest, book)
