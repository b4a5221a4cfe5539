"""Rows that arrive, put in the place of those with an equal key: files are written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind
from penstock.sdk.destination import StreamPlan
from penstock.sdk.latest_rows import LatestRows, latest_rows
from penstock.sdk.stored_columns import stored_schema, stored_type

Rows = Callable[[], Iterator[pa.RecordBatch]]
Key = TypeVar("Key")


class TableFile(Protocol):
    """One file of a table."""

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields the rows in the order of the file; columns it lacks are null."""
        ...


class TakesRows(Protocol):
    """Where the rows that stay are written."""

    @property
    def folder(self) -> Path:
        """A local folder, also for what does not fit into memory."""
        ...

    def write(self, rows: pa.RecordBatch) -> None: ...


def merged(
    plan: StreamPlan,
    kinds: Mapping[str, Kind],
    *,
    arriving: Sequence[Rows],
    there: Iterable[tuple[Key, TableFile]],
    out: TakesRows,
) -> list[Key]:
    """Writes the rows that stay into `out`; returns the files that are replaced by it.

    `kinds` are the table's columns. Arriving rows are read twice; of the files that are there,
    keys and cursors, and the whole of those only that lose a row.
    """
    columns = [*plan.primary_key, *([plan.cursor] if plan.cursor else [])]
    types = [stored_type(kinds[name]) for name in columns]
    if not plan.cursor:
        types.append(pa.int64())
    with latest_rows(types, out.folder / "latest") as question:
        for rows in arriving:
            for batch in rows():
                question.show_arriving(_judged(batch, columns, types))
        question.begin_there()
        files = [(key, file, *_shown(question, file, columns, types)) for key, file in there]
        staying, going = question.arriving_that_stay(), question.there_that_go()
    schema, replaced = stored_schema(kinds), []
    for key, file, first, count in files:
        if not len(going.among(first, count)):
            continue
        replaced.append(key)
        start = first
        for batch in file.read(list(kinds)):
            numbers = pa.array(range(batch.num_rows), pa.int64())
            is_gone = pc.is_in(numbers, value_set=going.among(start, batch.num_rows))
            out.write(batch.filter(pc.invert(is_gone)).cast(schema))
            start += batch.num_rows
    number = 0
    for rows in arriving:
        for batch in rows():
            out.write(batch.take(staying.among(number, batch.num_rows)))
            number += batch.num_rows
    return replaced


def _shown(
    question: LatestRows, file: TableFile, columns: Sequence[str], types: Sequence[pa.DataType]
) -> tuple[int, int]:
    """Shows a file's keys and cursors; returns the number of its first row, and its rows."""
    start = question.shown_there
    for batch in file.read(list(dict.fromkeys(columns))):  # a cursor may be of the key, too
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
