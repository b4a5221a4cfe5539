"""One stream into one Iceberg table: files first, then one commit of the catalogue.

The commit holds the snapshot with the rows and, as a property of the table, the checkpoint that
covers them. Rows of an overwrite wait in files that only the property names, until one commit
replaces columns and rows of the table.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile as IcebergDataFile
from pyiceberg.table import Table

from penstock.data.types import Kind
from penstock.destinations.iceberg.changing import change_table
from penstock.destinations.iceberg.columns import (
    change_columns,
    file_schema,
    kinds_of,
    require_partitions,
    split_by,
    storable,
)
from penstock.destinations.iceberg.config import IcebergConfig
from penstock.destinations.iceberg.kept import kept_in, stream_property
from penstock.destinations.iceberg.table import (
    IcebergFile,
    Lake,
    SeenTransaction,
    copied,
    described,
    files_of,
    rows_of,
    uploaded,
)
from penstock.errors import BugError, ResourceBusy
from penstock.protocol.state import State
from penstock.sdk.destination import StreamPlan
from penstock.sdk.files.manifest import (
    Content,
    DataFile,
    Manifest,
    begun_anew,
    claimed,
    owner_of,
    remembered,
    require_staging,
)
from penstock.sdk.files.merging import merged
from penstock.sdk.files.parquet_parts import ParquetParts, Part
from penstock.sdk.stored_columns import (
    fitted_kinds,
    landed_in,
    planned_kinds,
    refitted,
    stored_schema,
)

Rows = Callable[[], Iterator[pa.RecordBatch]]


@contextmanager
def iceberg_writer(lake: Lake, config: IcebergConfig, plan: StreamPlan) -> Iterator[IcebergWriter]:
    """Opens a stream: claims it and fits the table's columns."""
    writer = IcebergWriter(lake, config, plan)
    try:
        writer.claim()
        yield writer
    finally:
        writer.close()


class IcebergWriter:
    """Writes Parquet files into a spool; a commit uploads them and adds one snapshot."""

    def __init__(self, lake: Lake, config: IcebergConfig, plan: StreamPlan) -> None:
        self._lake = lake
        self._config = config
        self._plan = plan
        self._claim = uuid.uuid4().hex
        self._owner = owner_of(plan.connection, plan.stream.name, plan.stream.namespace)
        self._property = stream_property(self._owner)
        self._generation = str(plan.generation_id) if plan.mode.is_overwrite else None
        self._kinds: dict[str, Kind] = {}
        self._schema: pa.Schema = pa.schema([])
        self._parts: ParquetParts | None = None
        self._spools: list[Path] = []
        self._is_over = False

    def claim(self) -> None:
        """Makes this writer the only one of its stream; raises ResourceBusy for a stale attempt."""
        planned = storable(planned_kinds(self._plan))
        table = self._lake.make(self._plan.table, planned, self._config.partition_by)
        self._remove(table, kept_in(table, self._property).garbage)
        change = self._opened if self._generation is None else self._begun
        self._change(partial(change, planned=planned))
        table = self._lake.open(self._plan.table)
        if self._generation is None:
            self._kinds = kinds_of(table.schema(), str(self._plan.table))
            self._schema = file_schema(table.schema(), self._kinds)
        else:
            self._kinds = self._staging(kept_in(table, self._property)).columns
            self._schema = stored_schema(self._kinds)

    def write(self, batch: pa.RecordBatch) -> None:
        self._refuse_if_over()
        rows = landed_in(batch, self._plan, self._kinds)
        if self._parts is None:
            table = self._lake.open(self._plan.table)
            self._parts = self._new_parts(table, self._schema, is_staged=self._is_staged)
        self._parts.write(rows)

    def commit(self, state: State | None) -> int:
        self._refuse_if_over()
        parts = self._taken()
        if self._is_staged:
            self._stage(parts, state)
        else:
            self._append(parts, state, is_complete=False)
        return sum(part.rows for part in parts)

    def finish(self, state: State | None) -> int:
        self._refuse_if_over()
        parts = self._taken()
        if self._is_staged:
            self._publish(parts, state)
        else:
            self._append(parts, state, is_complete=True)
        self._is_over = True
        return sum(part.rows for part in parts)

    def close(self) -> None:
        """Removes what was not committed."""
        self._is_over = True
        for spool in self._spools:
            shutil.rmtree(spool, ignore_errors=True)

    @property
    def _is_staged(self) -> bool:
        return self._generation is not None

    def _change(self, change: Callable[[Table, SeenTransaction, Manifest], Manifest]) -> Manifest:
        return change_table(self._lake, self._plan.table, self._property, change)

    # Opening.

    def _claimed(self, transaction: SeenTransaction, manifest: Manifest) -> Manifest:
        known = manifest.checkpoint(self._plan.connection, self._plan.stream)
        manifest = claimed(manifest, self._plan, self._claim)
        if known is not None and known.claim:
            transaction.mark(f"attempt {self._plan.fence} took over")
        table = (self._plan.table.schema, self._plan.table.name)
        return msgspec.structs.replace(manifest, table=table, garbage=())

    def _opened(
        self,
        table: Table,
        transaction: SeenTransaction,
        manifest: Manifest,
        *,
        planned: Mapping[str, Kind],
    ) -> Manifest:
        """Claims the stream and gives the table its columns; if needed, all rows are rewritten."""
        manifest = self._claimed(transaction, manifest)
        old = kinds_of(table.schema(), str(self._plan.table))
        kinds = fitted_kinds(old, planned)
        if kinds == old:
            return manifest
        self._change_columns(table, transaction, old, kinds)
        if any(kinds[name] is not kind for name, kind in old.items()):
            rows = (refitted(batch, old, kinds) for batch in rows_of(table))
            self._replace(table, transaction, kinds, rows)
        return manifest

    def _begun(
        self,
        table: Table,
        transaction: SeenTransaction,
        manifest: Manifest,
        *,
        planned: Mapping[str, Kind],
    ) -> Manifest:
        """Claims the stream and begins its overwrite, or continues it with the plan's columns."""
        manifest = self._claimed(transaction, manifest)
        if not self._plan.resumes:
            staged = _staged_in(manifest)
            manifest = begun_anew(manifest, self._plan)
            manifest = msgspec.structs.replace(manifest, garbage=staged)
            return self._with_staging(manifest, Content(columns=dict(planned)))
        require_staging(manifest, self._plan)
        old = self._staging(manifest)
        kinds = fitted_kinds(old.columns, planned)
        if all(kinds[name] is kind for name, kind in old.columns.items()):
            return self._with_staging(manifest, msgspec.structs.replace(old, columns=kinds))
        out = self._new_parts(table, stored_schema(kinds), is_staged=True)
        for file in old.files:
            for batch in self._staged_rows(table, file, old.columns):
                out.write(refitted(batch, old.columns, kinds))
        files = self._staged(table, out.take())
        manifest = msgspec.structs.replace(manifest, garbage=tuple(f.path for f in old.files))
        return self._with_staging(manifest, Content(columns=kinds, files=files))

    # Committing.

    def _remembered(
        self, manifest: Manifest, state: State | None, *, is_complete: bool
    ) -> Manifest:
        """Returns the stream's new checkpoint; a finished stream belongs to no writer."""
        manifest = remembered(
            manifest, self._plan, state, claim=self._claim, is_complete=is_complete
        )
        known = manifest.checkpoint(self._plan.connection, self._plan.stream)
        if known is None or not is_complete:
            return manifest
        return manifest.with_checkpoint(msgspec.structs.replace(known, claim=""))

    def _append(self, parts: Sequence[Part], state: State | None, *, is_complete: bool) -> None:
        is_merge = self._plan.mode.is_dedup and bool(parts)
        table = self._lake.open(self._plan.table)
        locations = [] if is_merge else [uploaded(table, part.local) for part in parts]

        def change(table: Table, transaction: SeenTransaction, manifest: Manifest) -> Manifest:
            manifest = self._remembered(manifest, state, is_complete=is_complete)
            self._refuse_other_columns(table)
            if is_merge:
                self._merge(table, transaction, parts)
            elif locations:
                with transaction.update_snapshot().fast_append() as append:
                    for location in locations:
                        append.append_data_file(described(transaction, table, location))
            return manifest

        self._change(change)
        for part in parts:
            part.local.unlink()

    def _merge(self, table: Table, transaction: SeenTransaction, parts: Sequence[Part]) -> None:
        """Writes anew the files that lose rows to the ones that arrive."""
        out = self._new_parts(table, self._schema)
        replaced = merged(
            self._plan,
            self._kinds,
            arriving=[partial(self._part_rows, part) for part in parts],
            there=((task.file, IcebergFile(table, task)) for task in files_of(table)),
            out=out,
        )
        self._swap(table, transaction, replaced, out.take())

    def _stage(self, parts: Sequence[Part], state: State | None) -> None:
        """Keeps rows of an overwrite beside the table's, with the state that covers them."""
        files = self._staged(self._lake.open(self._plan.table), parts)

        def change(table: Table, transaction: SeenTransaction, manifest: Manifest) -> Manifest:
            del table, transaction
            manifest = self._remembered(manifest, state, is_complete=False)
            content = self._staging(manifest)
            grown = msgspec.structs.replace(content, files=(*content.files, *files))
            return self._with_staging(manifest, grown)

        self._change(change)

    def _publish(self, parts: Sequence[Part], state: State | None) -> None:
        """Puts columns and rows of a finished overwrite in the place of the table's."""

        def change(table: Table, transaction: SeenTransaction, manifest: Manifest) -> Manifest:
            manifest = self._remembered(manifest, state, is_complete=True)
            staged = self._staging(manifest)
            old = kinds_of(table.schema(), str(self._plan.table))
            if old != self._kinds:
                self._change_columns(table, transaction, old, self._kinds)
            readers: list[Rows] = [
                *(partial(self._staged_rows, table, file, self._kinds) for file in staged.files),
                *(partial(self._part_rows, part) for part in parts),
            ]
            if self._plan.mode.is_dedup:
                schema = file_schema(transaction.table_metadata.schema(), self._kinds)
                out = self._new_parts(table, schema, transaction=transaction)
                merged(self._plan, self._kinds, arriving=readers, there=(), out=out)
                everything = [task.file for task in files_of(table)]
                self._swap(table, transaction, everything, out.take())
            else:
                rows = (batch for reader in readers for batch in reader())
                self._replace(table, transaction, self._kinds, rows)
            garbage = (*manifest.garbage, *_staged_in(manifest))
            return msgspec.structs.replace(manifest, staging={}, garbage=garbage)

        manifest = self._change(change)
        self._remove(self._lake.open(self._plan.table), manifest.garbage)

    def _change_columns(
        self,
        table: Table,
        transaction: SeenTransaction,
        old: Mapping[str, Kind],
        new: Mapping[str, Kind],
    ) -> None:
        require_partitions(table.spec(), table.schema(), old, new)
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            change_columns(update, old, new)

    def _replace(
        self,
        table: Table,
        transaction: SeenTransaction,
        kinds: Mapping[str, Kind],
        rows: Iterator[pa.RecordBatch],
    ) -> None:
        """Puts these rows, with the transaction's columns, in the place of all others."""
        schema = file_schema(transaction.table_metadata.schema(), kinds)
        out = self._new_parts(table, schema, transaction=transaction)
        for batch in rows:
            out.write(batch)
        self._swap(table, transaction, [task.file for task in files_of(table)], out.take())

    def _swap(
        self,
        table: Table,
        transaction: SeenTransaction,
        old: Sequence[IcebergDataFile],
        new: Sequence[Part],
    ) -> None:
        if not old and not new:
            return
        added = [described(transaction, table, uploaded(table, part.local)) for part in new]
        snapshot = transaction.update_snapshot()
        with snapshot.overwrite() if old else snapshot.fast_append() as producer:
            for file in old:
                producer.delete_data_file(file)
            for file in added:
                producer.append_data_file(file)

    # Files.

    def _new_parts(
        self,
        table: Table,
        schema: pa.Schema,
        *,
        transaction: SeenTransaction | None = None,
        is_staged: bool = False,
    ) -> ParquetParts:
        """Returns a new folder for files, cut by the table's partitions unless they are staged."""
        spool = Path(tempfile.mkdtemp(prefix="penstock-iceberg-"))
        self._spools.append(spool)
        metadata = transaction.table_metadata if transaction else table.metadata
        kinds = kinds_of(metadata.schema(), str(self._plan.table))
        split = _whole if is_staged else split_by(metadata.spec(), metadata.schema(), kinds)
        return ParquetParts(
            spool,
            schema,
            split=split,
            file_bytes=self._config.file_megabytes << 20,
            owner=self._owner,
        )

    def _taken(self) -> list[Part]:
        return self._parts.take() if self._parts is not None else []

    def _part_rows(self, part: Part) -> Iterator[pa.RecordBatch]:
        with part.local.open("rb") as source:
            yield from _parquet_rows(source, self._kinds)

    def _staged_rows(
        self, table: Table, file: DataFile, kinds: Mapping[str, Kind]
    ) -> Iterator[pa.RecordBatch]:
        with table.io.new_input(file.path).open() as source:
            yield from _parquet_rows(source, kinds)

    def _staged(self, table: Table, parts: Sequence[Part]) -> tuple[DataFile, ...]:
        folder = f"{table.location().rstrip('/')}/data/penstock-{self._owner}"
        return tuple(
            DataFile(
                path=copied(table, part.local, f"{folder}/{part.local.name}"),
                rows=part.rows,
                bytes=part.bytes,
            )
            for part in parts
        )

    def _staging(self, manifest: Manifest) -> Content:
        return manifest.staging.get(self._generation or "", Content())

    def _with_staging(self, manifest: Manifest, content: Content) -> Manifest:
        staging = {**manifest.staging, self._generation or "": content}
        return msgspec.structs.replace(manifest, staging=staging)

    def _remove(self, table: Table, locations: Sequence[str]) -> None:
        for location in locations:
            with suppress(FileNotFoundError):
                table.io.delete(location)

    def _refuse_other_columns(self, table: Table) -> None:
        kinds = kinds_of(table.schema(), str(self._plan.table))
        known = file_schema(table.schema(), kinds)
        if not known.equals(self._schema, check_metadata=True):
            self._is_over = True
            raise ResourceBusy(
                f"Another sync changed the columns of {self._plan.table} meanwhile.",
                remedy="Sync again; let one connection at a time write into this table.",
                stream=self._plan.stream,
            )

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise BugError(
                f"The writer of {self._plan.stream} was used after it had finished or failed.",
                remedy="Report it with the log of this sync.",
                stream=self._plan.stream,
            )


def _whole(rows: pa.RecordBatch) -> Iterator[tuple[None, pa.RecordBatch]]:
    yield None, rows


def _staged_in(manifest: Manifest) -> tuple[str, ...]:
    return tuple(file.path for content in manifest.staging.values() for file in content.files)


def _parquet_rows(source: object, kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file of ours with these columns, null where it lacks one."""
    schema = stored_schema(kinds)
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches():
            names = set(batch.schema.names)
            arrays = [
                batch.column(field.name).cast(field.type)
                if field.name in names
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
