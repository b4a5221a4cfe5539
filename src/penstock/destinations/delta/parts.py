"""Parquet files of one transaction: cut by partition and size, written in a local folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind
from penstock.errors import DataError
from penstock.sdk.files.parquet_file import ParquetFile
from penstock.sdk.stored_columns import as_text, stored_schema

_OPEN_FILES: Final = 64

Values = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A finished local file, and the values of the partition columns, which are not in it."""

    local: Path
    rows: int
    bytes: int
    partition: Mapping[str, str | None]


class Parts:
    """Cuts the rows of one transaction into files."""

    def __init__(
        self,
        folder: Path,
        kinds: Mapping[str, Kind],
        *,
        partition_by: Sequence[str],
        file_bytes: int,
        owner: str,
    ) -> None:
        self._folder = folder
        self._kinds = kinds
        self._partition_by = tuple(partition_by)
        self._in_file = [name for name in kinds if name not in partition_by]
        self._schema = stored_schema({name: kinds[name] for name in self._in_file})
        self._file_bytes = file_bytes
        self._owner = owner
        self._open: dict[Values, tuple[Path, ParquetFile]] = {}
        self._done: list[Part] = []

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns that rows must have."""
        return self._kinds

    @property
    def folder(self) -> Path:
        """Where the files are written; also for what else does not fit into memory."""
        return self._folder

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows with the table's columns."""
        for values, some in self._by_partition(rows):
            if some.num_rows:
                self._write_in(values, some)

    def take(self) -> list[Part]:
        """Closes what is open and returns all files since the last call."""
        for values in list(self._open):
            self._close(values)
        done, self._done = self._done, []
        return done

    def _write_in(self, values: Values, rows: pa.RecordBatch) -> None:
        if values not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._close(next(iter(self._open)))
            self._folder.mkdir(parents=True, exist_ok=True)
            local = self._folder / f"{self._owner}-{uuid.uuid4().hex}.parquet"
            self._open[values] = (local, ParquetFile(local, self._schema, compression="zstd"))
        file = self._open[values][1]
        file.write(rows.select(self._in_file))
        if file.bytes >= self._file_bytes:
            self._close(values)

    def _close(self, values: Values) -> None:
        local, file = self._open.pop(values)
        rows = file.close()
        partition = dict(zip(self._partition_by, values, strict=True))
        size = local.stat().st_size
        self._done.append(Part(local=local, rows=rows, bytes=size, partition=partition))

    def _by_partition(self, rows: pa.RecordBatch) -> Iterator[tuple[Values, pa.RecordBatch]]:
        if not self._partition_by or not rows.num_rows:
            yield (None,) * len(self._partition_by), rows
            return
        texts = {name: self._texts(rows, name) for name in self._partition_by}
        keys = pa.table({**texts, "": pa.array(range(rows.num_rows), pa.int64())})
        groups = keys.group_by(self._partition_by, use_threads=False).aggregate([("", "list")])
        for group in groups.to_pylist():
            values = tuple(group[name] for name in self._partition_by)
            yield values, rows.take(pa.array(group["_list"], pa.int64()))

    def _texts(self, rows: pa.RecordBatch, name: str) -> pa.Array:
        """Returns values as the log writes them ("Partition Value Serialization").

        Raises DataError for an empty text, which is null there.
        """
        texts = as_text(rows.column(name), self._kinds[name])
        if pc.any(pc.equal(texts, "")).as_py():
            raise DataError(
                f"A row has an empty text in {name!r}, which a partition cannot tell from null.",
                remedy="Partition the table by another column, or by none.",
                column=name,
            )
        return texts
