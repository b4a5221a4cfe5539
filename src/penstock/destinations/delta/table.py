"""One Delta table: its columns as kinds, its log as numbered transactions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from penstock.data.types import Kind, kind_of_arrow
from penstock.destinations.delta.failures import translated
from penstock.errors import ConfigError
from penstock.sdk.destination import TableName
from penstock.sdk.files.folders import table_folder
from penstock.sdk.files.manifest import DataFile
from penstock.sdk.stored_columns import stored_schema, stored_type

_ALL: Final = "penstock"
"""The application every commit of penstock names: of two at once, the later looks again."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./=-]+")
_BLIND_RETRIES: Final = 15
_READ_ROWS: Final = 65_536


class Overtaken(Exception):
    """Somebody committed first what this commit would have to know."""


def storable(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Returns the kinds of a table's columns: Delta has no times of day and no JSON."""
    as_text = (Kind.TIME, Kind.JSON)
    return {name: Kind.STRING if kind in as_text else kind for name, kind in kinds.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One version of a table, and what stands in it."""

    table: DeltaTable
    where: str

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns; raises ConfigError for one of a type that penstock does not write."""
        kinds: dict[str, Kind] = {}
        for column in pa.schema(self.table.schema()):
            kind = kind_of_arrow(column.type)
            if stored_type(kind) != column.type or not column.nullable:
                raise ConfigError(
                    f"Column {column.name!r} of {self.where} is {column.type}"
                    f"{'' if column.nullable else ' not null'}, which penstock does not write.",
                    remedy="Give the stream a table of its own: set a prefix or a namespace.",
                )
            kinds[column.name] = kind
        return kinds

    @property
    def partition_by(self) -> list[str]:
        return list(self.table.metadata().partition_columns)

    def number(self, owner: str) -> int:
        """Returns the newest transaction of a stream; 0 when there is none."""
        with translated(self.where):
            return self.table.transaction_version(owner) or 0

    def rows(self) -> int:
        """Returns how many rows there are, as the log counts them."""
        with translated(self.where):
            return int(self.table.count())

    def fragments(self) -> Iterator[tuple[str, Fragment]]:
        """Yields the files by their path in the log."""
        with translated(self.where):
            dataset = self.table.to_pyarrow_dataset()
            for fragment in dataset.get_fragments():
                self._require_plain(fragment.path)
                yield fragment.path, Fragment(fragment, dataset.schema, self.where)

    def _require_plain(self, path: str) -> None:
        """Raises ConfigError for a path that the log and the storage may write differently.

        To take the wrong one out of the log would leave rows there that were replaced.
        """
        if not _PLAIN.fullmatch(path):
            raise ConfigError(
                f"{self.where} has a file that penstock did not write, {path!r}: no rows are"
                " merged into such tables.",
                remedy="Give the stream a table of its own: set a prefix or a namespace.",
            )

    def reader(self) -> pa.RecordBatchReader:
        """Returns all rows as they are read."""
        kinds = self.kinds
        with translated(self.where):
            dataset = self.table.to_pyarrow_dataset()
        schema = stored_schema(kinds)

        def batches() -> Iterator[pa.RecordBatch]:
            with translated(self.where):
                scanner = dataset.scanner(columns=list(kinds), batch_size=_READ_ROWS)
                for batch in scanner.to_batches():
                    yield batch.cast(schema)

        return pa.RecordBatchReader.from_batches(schema, batches())


@dataclass(frozen=True, slots=True)
class Fragment:
    """One file of a table, with its partition's values."""

    fragment: pads.Fragment
    schema: pa.Schema
    where: str

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields the rows in the order of the file; columns it lacks are null."""
        with translated(self.where):
            scanner = self.fragment.scanner(
                schema=self.schema, columns=list(columns), batch_size=_READ_ROWS
            )
            yield from scanner.to_batches()


class Lake:
    """Opens, makes and changes Delta tables in one place."""

    def __init__(self, root: str, options: Mapping[str, str]) -> None:
        self._root = root
        self._options = dict(options)

    def find(self, table: TableName) -> Seen | None:
        """Returns the newest version of a table; None when there is none."""
        where = self.where(table)
        with translated(where):
            try:
                found = DeltaTable(where, storage_options=self._options)
            except TableNotFoundError:
                return None
        return Seen(table=found, where=where)

    def open(self, table: TableName) -> Seen:
        """Returns the newest version of a table; raises ConfigError when there is none."""
        found = self.find(table)
        if found is None:
            raise ConfigError(
                f"There is no table {table} in {self._root}.",
                remedy="Sync the stream first.",
                table=table,
            )
        return found

    def make(
        self, table: TableName, kinds: Mapping[str, Kind], partition_by: Sequence[str]
    ) -> Seen:
        """Returns a table, made with these columns when there is none."""
        found = self.find(table)
        if found is not None:
            return found
        where = self.where(table)
        with translated(where):
            DeltaTable.create(
                where,
                stored_schema(kinds),
                mode="ignore",
                partition_by=list(partition_by) or None,
                storage_options=self._options,
            )
        return self.open(table)

    def where(self, table: TableName) -> str:
        """Returns the address of a table."""
        return f"{self._root}/{table_folder(table)}"


def added(file: DataFile) -> AddAction:
    """Returns the entry of the log that adds a file."""
    return AddAction(
        file.path,
        file.bytes,
        file.partition,
        modification_time=_now(),
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def removed(path: str) -> RemoveAction:
    """Returns the entry of the log that takes a file out; it stays on disk until VACUUM."""
    return RemoveAction(path, data_change=True, deletion_timestamp=_now())


def require_columns(seen: Seen, names: Sequence[str], kinds: Mapping[str, Kind]) -> None:
    """Raises ConfigError when a table's new columns lack one that it is partitioned by."""
    for name in names:
        if name not in kinds:
            raise ConfigError(
                f"{seen.where} is partitioned by {name!r}, which the stream no longer has.",
                remedy="Delete the table, or give the stream another: set a prefix or a namespace.",
                column=name,
            )


def commit(
    seen: Seen,
    actions: Sequence[AddAction | RemoveAction],
    *,
    transaction: tuple[str, int] | None,
    replace_with: Mapping[str, Kind] | None = None,
    is_blind: bool = False,
) -> None:
    """Commits to the log as the version after the one seen; durable on return.

    `transaction` is a stream's next number; `replace_with` puts the files in the place of all
    others, with these columns. Raises Overtaken when anybody committed first, since delta-rs sees
    no conflict between files taken out here and by a compaction; `is_blind`, of a change that
    follows from no row that was read, when penstock did, or whoever changed the columns.
    """
    numbers = [Transaction(_ALL, seen.table.version() + 1)]
    if transaction is not None:
        numbers.append(Transaction(*transaction))
    properties = CommitProperties(
        custom_metadata={"writer": _ALL},
        app_transactions=numbers,
        max_commit_retries=_BLIND_RETRIES if is_blind else 0,
    )
    kinds = seen.kinds if replace_with is None else replace_with
    with translated(seen.where):
        try:
            seen.table.create_write_transaction(
                list(actions),
                "append" if replace_with is None else "overwrite",
                stored_schema(kinds),
                partition_by=seen.partition_by or None,
                commit_properties=properties,
            )
        except CommitFailedError as error:
            raise _overtaken(seen) from error


def add_columns(seen: Seen, kinds: Mapping[str, Kind]) -> None:
    """Adds columns, null in all rows; raises Overtaken when others changed the table first."""
    fields: list[Field] = list(Schema.from_arrow(stored_schema(kinds)).fields)
    with translated(seen.where):
        try:
            seen.table.alter.add_columns(fields)
        except CommitFailedError as error:
            raise _overtaken(seen) from error


def _overtaken(seen: Seen) -> Overtaken | ConfigError:
    """Tells a commit that somebody was faster than from one that the table does not allow."""
    before = seen.table.version()
    seen.table.update_incremental()
    if seen.table.version() > before:
        return Overtaken()
    return ConfigError(
        f"{seen.where} does not allow this change of its rows or columns.",
        remedy="Look at its properties (delta.appendOnly, constraints), or choose another table.",
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
