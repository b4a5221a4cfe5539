"""Parquet files of one transaction, in a local folder: cut by partition and by size."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from penstock.sdk.files.parquet_file import ParquetFile

_OPEN_FILES: Final = 64

Split = Callable[[pa.RecordBatch], Iterable[tuple[Hashable, pa.RecordBatch]]]
"""Tells rows apart by their partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A finished local file."""

    local: Path
    rows: int
    bytes: int
    partition: Hashable


class ParquetParts:
    """Cuts the rows of one transaction into files."""

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        *,
        split: Split,
        file_bytes: int,
        owner: str,
    ) -> None:
        """`schema` is that of the files; columns of rows that it lacks are left out."""
        self.folder = folder
        self._schema = schema
        self._split = split
        self._file_bytes = file_bytes
        self._owner = owner
        self._open: dict[Hashable, tuple[Path, ParquetFile]] = {}
        self._done: list[Part] = []

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows with the table's columns."""
        for partition, some in self._split(rows):
            if some.num_rows:
                self._write_in(partition, some)

    def take(self) -> list[Part]:
        """Closes what is open and returns all files since the last call."""
        for partition in list(self._open):
            self._close(partition)
        done, self._done = self._done, []
        return done

    def _write_in(self, partition: Hashable, rows: pa.RecordBatch) -> None:
        if partition not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._close(next(iter(self._open)))
            self.folder.mkdir(parents=True, exist_ok=True)
            local = self.folder / f"{self._owner}-{uuid.uuid4().hex}.parquet"
            self._open[partition] = (local, ParquetFile(local, self._schema, compression="zstd"))
        file = self._open[partition][1]
        arrays = [rows.column(name) for name in self._schema.names]
        file.write(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if file.bytes >= self._file_bytes:
            self._close(partition)

    def _close(self, partition: Hashable) -> None:
        local, file = self._open.pop(partition)
        rows = file.close()
        size = local.stat().st_size
        self._done.append(Part(local=local, rows=rows, bytes=size, partition=partition))
