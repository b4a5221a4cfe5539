"""Values of partition columns: as rows have them, and as the log writes them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.data.types import Kind
from penstock.errors import ConfigError, DataError
from penstock.sdk.files.parquet_parts import Split
from penstock.sdk.stored_columns import as_text, stored_schema

_PARTITIONING: Final = frozenset({Kind.STRING, Kind.INTEGER, Kind.BOOLEAN, Kind.DATE})


def partition_columns(wanted: Sequence[str], kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """Returns the columns that a new table is partitioned by; none when it lacks one of them.

    Raises ConfigError for a column whose values the log does not write exactly.
    """
    if not all(name in kinds for name in wanted):
        return ()
    for name in wanted:
        if kinds[name] not in _PARTITIONING:
            raise ConfigError(
                f"No table can be partitioned by {name!r}, a column of kind {kinds[name]}.",
                remedy="Choose a column of texts, integers, booleans or days for `partition_by`.",
                column=name,
            )
    return tuple(wanted)


def split_by(names: Sequence[str], kinds: Mapping[str, Kind]) -> Split:
    """Returns what tells rows apart by the texts of these columns."""

    def split(rows: pa.RecordBatch) -> Iterator[tuple[Hashable, pa.RecordBatch]]:
        if not names or not rows.num_rows:
            yield (None,) * len(names), rows
            return
        texts = {name: _texts(rows.column(name), name, kinds[name]) for name in names}
        keys = pa.table({**texts, "": pa.array(range(rows.num_rows), pa.int64())})
        groups = keys.group_by(list(names), use_threads=False).aggregate([("", "list")])
        for group in groups.to_pylist():
            values = tuple(group[name] for name in names)
            yield values, rows.take(pa.array(group["_list"], pa.int64()))

    return split


def rows_of_file(
    source: IO[bytes], partition: Mapping[str, str | None], kinds: Mapping[str, Kind]
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file of ours with all columns of the table."""
    schema = stored_schema(kinds)
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches():
            arrays = [_column(batch, field, partition) for field in schema]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(
    batch: pa.RecordBatch, field: pa.Field, partition: Mapping[str, str | None]
) -> pa.Array:
    if field.name in partition:
        value = pa.scalar(partition[field.name], pa.string())
        return pa.repeat(value, batch.num_rows).cast(field.type)
    if field.name in batch.schema.names:
        return batch.column(field.name).cast(field.type)
    return pa.nulls(batch.num_rows, field.type)


def _texts(values: pa.Array, name: str, kind: Kind) -> pa.Array:
    """Returns values as the log writes them ("Partition Value Serialization").

    Raises DataError for an empty text, which is null there.
    """
    texts = as_text(values, kind)
    if pc.any(pc.equal(texts, "")).as_py():
        raise DataError(
            f"A row has an empty text in {name!r}, which a partition cannot tell from null.",
            remedy="Partition the table by another column, or by none.",
            column=name,
        )
    return texts
