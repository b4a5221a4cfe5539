"""Rows that arrive, put in the place of those with an equal key: files are written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind
from penstock.destinations.delta.parts import Parts
from penstock.destinations.delta.table import Fragment
from penstock.sdk.destination import StreamPlan
from penstock.sdk.latest_rows import LatestRows, latest_rows
from penstock.sdk.stored_columns import stored_schema, stored_type

Rows = Callable[[], Iterator[pa.RecordBatch]]


def merged(
    plan: StreamPlan,
    *,
    arriving: Sequence[Rows],
    there: Iterable[tuple[str, Fragment]],
    out: Parts,
) -> list[str]:
    """Writes the rows that stay into `out`; returns the files that are replaced by it.

    Arriving rows are read twice; of the files that are there, keys and cursors, and the whole of
    those only that lose a row.
    """
    columns = [*plan.primary_key, *([plan.cursor] if plan.cursor else [])]
    kinds = out.kinds
    types = [stored_type(kinds[name]) for name in columns]
    if not plan.cursor:
        types.append(pa.int64())
    names = list(kinds)
    with latest_rows(types, out.folder / "latest") as question:
        for rows in arriving:
            for batch in rows():
                question.show_arriving(_judged(batch, columns, types))
        question.begin_there()
        files = [
            (path, fragment, *_shown(question, fragment, columns, types))
            for path, fragment in there
        ]
        staying, going = question.arriving_that_stay(), question.there_that_go()
    replaced: list[str] = []
    for path, fragment, start, count in files:
        if not len(going.among(start, count)):
            continue
        replaced.append(path)
        for batch in fragment.read(names):
            gone = going.among(start, batch.num_rows)
            numbers = pa.array(range(batch.num_rows), pa.int64())
            kept = batch.filter(pc.invert(pc.is_in(numbers, value_set=gone)))
            out.write(kept.cast(stored_schema(kinds)))
            start += batch.num_rows  # noqa: PLW2901 - the next batch follows
    number = 0
    for rows in arriving:
        for batch in rows():
            out.write(batch.take(staying.among(number, batch.num_rows)))
            number += batch.num_rows
    return replaced


def _shown(
    question: LatestRows, fragment: Fragment, columns: Sequence[str], types: Sequence[pa.DataType]
) -> tuple[int, int]:
    """Shows a file's keys and cursors; returns the number of its first row, and its rows."""
    start = question.shown_there
    for batch in fragment.read(columns):
        question.show_there(_judged(batch, columns, types))
    return start, question.shown_there - start


def _judged(
    batch: pa.RecordBatch, columns: Sequence[str], types: Sequence[pa.DataType]
) -> pa.RecordBatch:
    """Returns the key's columns and the cursor; without a cursor all rows have the same."""
    arrays = [batch.column(name) for name in columns]
    if len(types) > len(arrays):
        arrays.append(pa.nulls(batch.num_rows, types[-1]))
    cast = [array.cast(kind) for array, kind in zip(arrays, types, strict=True)]
    return pa.RecordBatch.from_arrays(cast, names=[str(i) for i in range(len(cast))])


def with_columns(
    batch: pa.RecordBatch, partition: Mapping[str, str | None], kinds: Mapping[str, Kind]
) -> pa.RecordBatch:
    """Returns the rows of one of our files with all columns of the table."""
    schema = stored_schema(kinds)
    arrays = []
    for field in schema:
        if field.name in partition:
            value = pa.scalar(partition[field.name], pa.string())
            arrays.append(pa.repeat(value, batch.num_rows).cast(field.type))
        elif field.name in batch.schema.names:
            arrays.append(batch.column(field.name).cast(field.type))
        else:
            arrays.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
