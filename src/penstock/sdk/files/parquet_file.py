"""One Parquet file written batch by batch, in row groups of a size that readers like."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

_ROW_GROUP_BYTES: Final = 32 << 20


class ParquetFile:
    """A local Parquet file being written."""

    def __init__(self, path: Path, schema: pa.Schema, *, compression: str) -> None:
        self._path = path
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._writer = pq.ParquetWriter(path, schema, compression=compression)

    @property
    def bytes(self) -> int:
        """How large it is by now, about."""
        return self._path.stat().st_size + self._waiting_bytes

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows of the file's schema."""
        self._waiting.append(rows)
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes >= _ROW_GROUP_BYTES:
            self._write_group()

    def close(self) -> int:
        """Ends the file and returns the rows in it, as its footer counts them."""
        self._write_group()
        self._writer.close()
        return int(pq.read_metadata(self._path).num_rows)

    def _write_group(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
            self._waiting, self._waiting_bytes = [], 0
