"""One stream into one Delta table: files first, then one entry of the table's log.

A checkpoint is prepared in the table's book (`sdk/files/manifest`) under the number of the
transaction that the log will name, and stands once the log names it: rows and checkpoint become
durable by one entry. Rows of an overwrite wait beside the table, and their checkpoints stand in
the book alone, until one entry replaces the table.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, cast

import msgspec
import pyarrow as pa
from deltalake.transaction import AddAction, RemoveAction

from penstock.data.types import Kind
from penstock.destinations.delta.config import DeltaConfig
from penstock.destinations.delta.partitions import partition_columns, rows_of_file, split_by
from penstock.destinations.delta.table import (
    Lake,
    Overtaken,
    Seen,
    add_columns,
    added,
    commit,
    removed,
    require_columns,
    storable,
)
from penstock.errors import BugError, ResourceBusy
from penstock.protocol.state import State
from penstock.sdk.destination import StreamPlan
from penstock.sdk.files.folders import table_folder
from penstock.sdk.files.manifest import (
    Checkpoint,
    Content,
    DataFile,
    Manifest,
    begun_anew,
    book_of,
    claimed,
    owner_of,
    remembered,
    require_staging,
    staged_in,
    with_garbage,
)
from penstock.sdk.files.merging import merged
from penstock.sdk.files.parquet_parts import ParquetParts, Part
from penstock.sdk.files.store import Store, remove_spool
from penstock.sdk.stored_columns import (
    fitted_kinds,
    landed_in,
    planned_kinds,
    refitted,
    stored_schema,
)

_ATTEMPTS: Final = 20
_GAP: Final = 1 << 20


@contextmanager
def delta_writer(
    lake: Lake, store: Store, config: DeltaConfig, plan: StreamPlan
) -> Iterator[DeltaWriter]:
    """Opens a stream: claims it, settles what an earlier attempt left, fits the columns."""
    writer = DeltaWriter(lake, store, config, plan)
    try:
        writer.claim()
        yield writer
    finally:
        writer.close()


class DeltaWriter:
    """Writes Parquet files into a spool; a commit moves them in and adds one entry to the log."""

    def __init__(self, lake: Lake, store: Store, config: DeltaConfig, plan: StreamPlan) -> None:
        self._lake = lake
        self._store = store
        self._config = config
        self._plan = plan
        self._book = book_of(store, plan.table)
        self._folder = table_folder(plan.table)
        self._claim = uuid.uuid4().hex
        self._owner = owner_of(plan.connection, plan.stream.name, plan.stream.namespace)
        self._generation = str(plan.generation_id) if plan.mode.is_overwrite else None
        self._kinds: dict[str, Kind] = {}
        self._partition_by: list[str] = []
        self._parts: ParquetParts | None = None
        self._spools: list[Path] = []
        self._is_settled = False
        self._is_over = False

    def claim(self) -> None:
        """Makes this writer the only one of its stream; raises ResourceBusy for a stale attempt."""
        before = self._own_files()
        manifest = self._book.change(self._claimed)
        planned = storable(planned_kinds(self._plan))
        seen = self._lake.make(
            self._plan.table, planned, partition_columns(self._config.partition_by, planned)
        )
        self._partition_by = seen.partition_by
        if self._generation is not None:
            require_columns(seen, self._partition_by, planned)
        seen = self._settled(seen)
        if self._generation is None:
            self._kinds = self._fitted_table(seen, planned)
        else:
            manifest = self._book.change(lambda manifest: self._staging_begun(manifest, planned))
            self._kinds = self._staging(manifest).columns
        known = staged_in(manifest, self._book.folder)
        self._store.delete([name for name in before if name not in known])
        self._drop_garbage(manifest)

    def write(self, batch: pa.RecordBatch) -> None:
        self._refuse_if_over()
        rows = landed_in(batch, self._plan, self._kinds)
        if self._parts is None:
            self._parts = self._new_parts(self._kinds)
        self._parts.write(rows)

    def commit(self, state: State | None) -> int:
        self._refuse_if_over()
        if self._generation is not None:
            return self._stage(state)
        return self._append(state, is_complete=False)

    def finish(self, state: State | None) -> int:
        self._refuse_if_over()
        rows = (
            self._append(state, is_complete=True)
            if self._generation is None
            else self._publish(state)
        )
        self._is_over = True
        return rows

    def close(self) -> None:
        """Removes what was not committed."""
        self._is_over = True
        for spool in self._spools:
            remove_spool(spool)

    # What a stream's attempts may do to each other.

    def _claimed(self, manifest: Manifest) -> Manifest:
        manifest = claimed(manifest, self._plan, self._claim)
        table = (self._plan.table.schema, self._plan.table.name)
        return msgspec.structs.replace(manifest, table=table)

    def _settled(self, seen: Seen) -> Seen:
        """Decides what became of a commit that an earlier attempt prepared.

        It may be on its way still: a transaction of the same stream makes it fail if it comes
        later, and fails itself if that came first.
        """
        for _ in range(_ATTEMPTS):
            number = seen.number(self._owner)
            head = self._own(self._book.newest())
            if head.number in (None, number):
                self._is_settled = True
                return seen
            base = head.settled(number) or head.emptied()
            mine = self._prepare(number, partial(_same, base))
            with suppress(Overtaken):
                commit(seen, [], transaction=(self._owner, mine), is_blind=True)
            seen = self._lake.open(self._plan.table)
        raise self._busy()

    def _prepare(self, number: int, change: Callable[[Manifest], Checkpoint]) -> int:
        """Puts a checkpoint in front that stands once the log names it; returns its number.

        Numbers leave gaps of chance: a writer whose state was reset knows of none, and its own
        must not be taken for another's.
        """
        gap = secrets.randbelow(_GAP) + 1

        def prepared(manifest: Manifest) -> Manifest:
            head = self._own(manifest)
            new = change(manifest)
            stands = msgspec.structs.replace(head, before=None)
            new = msgspec.structs.replace(
                new,
                claim=self._claim,
                number=max(number, head.highest) + gap,
                before=stands if head.number in (None, number) else head,
            )
            return manifest.with_checkpoint(new)

        return self._own(self._book.change(prepared)).number or 0

    def _own(self, manifest: Manifest) -> Checkpoint:
        """Returns this stream's checkpoint; raises ResourceBusy when it is another writer's."""
        known = manifest.checkpoint(self._plan.connection, self._plan.stream)
        if known is None or known.claim != self._claim:
            self._is_over = True
            raise ResourceBusy(
                f"Another attempt has opened {self._plan.stream}, or its state was reset"
                " meanwhile.",
                remedy="Leave the sync to the newer attempt, or repeat it.",
                stream=self._plan.stream,
            )
        return known

    def _after(
        self, manifest: Manifest, *, number: int, state: State | None, is_complete: bool
    ) -> Checkpoint:
        """Returns what the stream's checkpoint is after a commit of this writer."""
        head = self._own(manifest)
        base = head.settled(number) or head.emptied()
        manifest = manifest.with_checkpoint(msgspec.structs.replace(base, claim=self._claim))
        return self._own(self._remembered(manifest, state=state, is_complete=is_complete))

    def _remembered(
        self, manifest: Manifest, *, state: State | None, is_complete: bool
    ) -> Manifest:
        """Returns the book with the stream's new state, under the number that it had.

        Without new rows it stands by the transaction that the log names already.
        """
        return remembered(manifest, self._plan, state, claim=self._claim, is_complete=is_complete)

    def _in_log(
        self,
        state: State | None,
        *,
        is_complete: bool,
        actions: Callable[[Seen], Sequence[AddAction | RemoveAction]],
        replace_with: Mapping[str, Kind] | None = None,
        is_blind: bool = False,
    ) -> None:
        """Commits rows and checkpoint by one entry of the table's log."""
        tried: set[int] = set()
        for _ in range(_ATTEMPTS):
            seen = self._lake.open(self._plan.table)
            number = seen.number(self._owner)
            if number in tried:
                self._is_settled = True
                return
            if replace_with is None:
                self._refuse_other_columns(seen)
            self._is_settled = False
            self._own(self._book.newest())
            entries = actions(seen)
            after = partial(self._after, number=number, state=state, is_complete=is_complete)
            mine = self._prepare(number, after)
            tried.add(mine)
            try:
                commit(
                    seen,
                    entries,
                    transaction=(self._owner, mine),
                    replace_with=replace_with,
                    is_blind=is_blind,
                )
            except Overtaken:
                continue
            self._is_settled = True
            return
        raise self._busy()

    def _refuse_other_columns(self, seen: Seen) -> None:
        if seen.kinds != self._kinds:
            self._is_over = True
            raise ResourceBusy(
                f"Another sync changed the columns of {self._plan.table} meanwhile.",
                remedy="Sync again; let one connection at a time write into this table.",
                stream=self._plan.stream,
            )

    # Rows.

    def _append(self, state: State | None, *, is_complete: bool) -> int:
        parts = self._taken()
        rows = sum(part.rows for part in parts)
        if not parts and self._is_settled:
            self._book.change(partial(self._remembered, state=state, is_complete=is_complete))
        elif self._plan.mode.is_dedup and parts:
            self._in_log(
                state, is_complete=is_complete, actions=lambda seen: self._merge(seen, parts)
            )
        else:
            entries = [added(file) for file in self._moved_in(parts, self._folder)]
            self._in_log(state, is_complete=is_complete, actions=lambda _: entries, is_blind=True)
        for part in parts:
            part.local.unlink(missing_ok=True)
        return rows

    def _merge(self, seen: Seen, parts: Sequence[Part]) -> list[AddAction | RemoveAction]:
        """Writes anew the files that lose rows, and returns what the log has to say of it."""
        out = self._new_parts(self._kinds)
        replaced = merged(
            self._plan,
            self._kinds,
            arriving=[partial(self._part_rows, part) for part in parts],
            there=seen.fragments(),
            out=out,
        )
        new = self._moved_in(out.take(), self._folder)
        return [*(removed(path) for path in replaced), *(added(file) for file in new)]

    def _stage(self, state: State | None) -> int:
        """Keeps rows of an overwrite beside the table, with the state that covers them."""
        files = self._moved_in(self._taken(), self._staging_folder)

        def change(manifest: Manifest) -> Manifest:
            manifest = self._remembered(manifest, state=state, is_complete=False)
            new = msgspec.structs.replace(self._own(manifest), number=None, before=None)
            content = self._staging(manifest)
            grown = msgspec.structs.replace(content, files=(*content.files, *files))
            return self._with_staging(manifest.with_checkpoint(new), grown)

        self._book.change(change)
        return sum(file.rows for file in files)

    def _publish(self, state: State | None) -> int:
        """Puts the rows of a finished overwrite in the place of the table's."""
        parts = self._taken()
        rows = sum(part.rows for part in parts)
        staged = self._staging(self._book.newest()).files
        if self._plan.mode.is_dedup:
            out = self._new_parts(self._kinds)
            readers = [
                *(partial(self._staged_rows, file) for file in staged),
                *(partial(self._part_rows, part) for part in parts),
            ]
            merged(self._plan, self._kinds, arriving=readers, there=(), out=out)
            files = self._moved_in(out.take(), self._folder)
        else:
            files = self._moved_in(parts, self._folder)
            for file in staged:
                self._store.copy(
                    f"{self._staging_folder}/{file.path}", f"{self._folder}/{file.path}"
                )
            files = (*staged, *files)
        entries = [added(file) for file in files]
        self._in_log(state, is_complete=True, actions=lambda _: entries, replace_with=self._kinds)
        self._drop_garbage(self._book.change(self._cleared))
        return rows

    def _part_rows(self, part: Part) -> Iterator[pa.RecordBatch]:
        with part.local.open("rb") as source:
            yield from rows_of_file(source, self._partition(part), self._kinds)

    def _staged_rows(self, file: DataFile) -> Iterator[pa.RecordBatch]:
        with self._store.open(f"{self._staging_folder}/{file.path}") as source:
            yield from rows_of_file(source, file.partition, self._kinds)

    def _new_parts(self, kinds: Mapping[str, Kind]) -> ParquetParts:
        """Returns a new folder for files of rows with these columns."""
        spool = self._store.spool(
            f"{self._book.folder}/open/{self._owner}-{self._claim}/{len(self._spools)}"
        )
        self._spools.append(spool)
        in_file = {name: kind for name, kind in kinds.items() if name not in self._partition_by}
        return ParquetParts(
            spool,
            stored_schema(in_file),
            split=split_by(self._partition_by, kinds),
            file_bytes=self._config.file_megabytes << 20,
            owner=self._owner,
        )

    def _taken(self) -> list[Part]:
        return self._parts.take() if self._parts is not None else []

    def _moved_in(self, parts: Sequence[Part], folder: str) -> tuple[DataFile, ...]:
        for part in parts:
            self._store.take(part.local, f"{folder}/{part.local.name}")
        return tuple(
            DataFile(
                path=part.local.name,
                rows=part.rows,
                bytes=part.bytes,
                partition=self._partition(part),
            )
            for part in parts
        )

    def _partition(self, part: Part) -> dict[str, str | None]:
        values = cast("tuple[str | None, ...]", part.partition)
        return dict(zip(self._partition_by, values, strict=True))

    # Columns.

    def _fitted_table(self, seen: Seen, planned: Mapping[str, Kind]) -> dict[str, Kind]:
        """Gives the table the plan's columns; rows whose types change are written anew."""
        for _ in range(_ATTEMPTS):
            old = seen.kinds
            kinds = fitted_kinds(old, planned)
            if kinds == old:
                return kinds
            with suppress(Overtaken):
                if all(kinds[name] is kind for name, kind in old.items()):
                    add_columns(seen, {n: k for n, k in kinds.items() if n not in old})
                else:
                    self._rewrite(seen, old, kinds)
            seen = self._lake.open(self._plan.table)
        raise self._busy()

    def _rewrite(self, seen: Seen, old: Mapping[str, Kind], new: Mapping[str, Kind]) -> None:
        out = self._new_parts(new)
        for batch in seen.reader():
            out.write(refitted(batch, old, new))
        entries = [added(file) for file in self._moved_in(out.take(), self._folder)]
        commit(seen, entries, transaction=None, replace_with=new)

    def _staging_begun(self, manifest: Manifest, planned: Mapping[str, Kind]) -> Manifest:
        """Begins an overwrite, or continues it with the plan's columns."""
        if not self._plan.resumes:
            manifest = with_garbage(
                begun_anew(manifest, self._plan), staged_in(manifest, self._book.folder)
            )
            return self._with_staging(manifest, Content(columns=dict(planned)))
        require_staging(manifest, self._plan)
        old = self._staging(manifest)
        kinds = fitted_kinds(old.columns, planned)
        if all(kinds[name] is kind for name, kind in old.columns.items()):
            return self._with_staging(manifest, msgspec.structs.replace(old, columns=kinds))
        out = self._new_parts(kinds)
        for file in old.files:
            with self._store.open(f"{self._staging_folder}/{file.path}") as source:
                for batch in rows_of_file(source, file.partition, old.columns):
                    out.write(refitted(batch, old.columns, kinds))
        files = self._moved_in(out.take(), self._staging_folder)
        manifest = with_garbage(
            manifest, {f"{self._staging_folder}/{file.path}" for file in old.files}
        )
        return self._with_staging(manifest, Content(columns=kinds, files=files))

    def _staging(self, manifest: Manifest) -> Content:
        return manifest.staging.get(self._generation or "", Content())

    def _with_staging(self, manifest: Manifest, content: Content) -> Manifest:
        staging = {**manifest.staging, self._generation or "": content}
        return msgspec.structs.replace(manifest, staging=staging)

    # What is left over.

    @property
    def _staging_folder(self) -> str:
        return f"{self._book.folder}/staging/{self._generation}"

    def _own_files(self) -> list[str]:
        """Returns this stream's files beside the table, listed before the claim.

        Those that the claimed book does not name are of attempts that can commit no more.
        """
        spools = self._store.names(f"{self._book.folder}/open")
        staged = self._store.names(f"{self._book.folder}/staging")
        return [name for name in spools if f"/open/{self._owner}-" in name] + [
            name for name in staged if name.rsplit("/", 1)[-1].startswith(f"{self._owner}-")
        ]

    def _cleared(self, manifest: Manifest) -> Manifest:
        """Forgets the rows that were published, and what stood before they were."""
        head = self._own(manifest)
        manifest = manifest.with_checkpoint(msgspec.structs.replace(head, before=None))
        manifest = with_garbage(manifest, staged_in(manifest, self._book.folder))
        return msgspec.structs.replace(manifest, staging={})

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

    def _busy(self) -> ResourceBusy:
        return ResourceBusy(
            f"{self._plan.table} was changed by others {_ATTEMPTS} times in a row.",
            remedy="Let fewer programs write into this table at once, and sync again.",
            stream=self._plan.stream,
        )

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise BugError(
                f"The writer of {self._plan.stream} was used after it had finished or failed.",
                remedy="Report it with the log of this sync.",
                stream=self._plan.stream,
            )


def _same(checkpoint: Checkpoint, _: Manifest) -> Checkpoint:
    return checkpoint
