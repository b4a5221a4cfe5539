"""Arrow batches of any number as one dataset: in memory up to a limit, in a file beyond it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import dataset

_MEMORY_BYTES: Final = 512 << 20


def dataset_of(
    reader: pa.RecordBatchReader, chunk_rows: int, *, memory_bytes: int = _MEMORY_BYTES
) -> dataset.Dataset:
    """Returns the rows of a reader, which is read to its end and closed."""
    with reader:
        batches = _cut(reader, chunk_rows)
        kept, left = _within(batches, memory_bytes)
        if left is not None:
            kept += _spooled(itertools.chain([left], batches), reader.schema)
        return dataset.dataset(kept, schema=reader.schema)


def _spooled(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> list[pa.RecordBatch]:
    """Returns the same batches, mapped from a file that is gone when the last of them is."""
    with tempfile.TemporaryDirectory(prefix="penstock-rows-") as folder:
        path = str(Path(folder) / "rows.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as out:
            for batch in batches:
                out.write_batch(batch)
        mapped = pa.ipc.open_file(pa.memory_map(path))
        return [mapped.get_batch(number) for number in range(mapped.num_record_batches)]


def _cut(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _within(
    batches: Iterator[pa.RecordBatch], most: int
) -> tuple[list[pa.RecordBatch], pa.RecordBatch | None]:
    """Returns the batches that fit, and the first that does not."""
    kept: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        size += batch.nbytes
        if size > most:
            return kept, batch
        kept.append(batch)
    return kept, None
