"""Rows of a SELECT as Arrow batches of one schema, which SQLite itself does not know."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.data.types import Kind
from penstock.destinations.sqlite.session import reading
from penstock.destinations.sqlite.values import arrow_of, text_of


def batches_of_rows(
    stream: Iterator[Sequence[Any]], kinds: Sequence[Kind | None] | None, path: Path
) -> Iterator[pa.RecordBatch]:
    """Yields the batches of `SQLiteSession.stream`, at least one.

    A column whose kind is not given has that of its values in the first batch, text if they
    differ. Raises DataError when a later value is not of it.
    """
    names = list(next(stream))
    chosen = list(kinds) if kinds is not None else [None] * len(names)
    rows = next(stream, [])
    columns = _columns(rows, len(names))
    known = [kind or _kind_of(values) for kind, values in zip(chosen, columns, strict=True)]
    while True:
        with reading(path):
            arrays = [_array(each, kind) for each, kind in zip(columns, known, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=names)
        rows = next(stream, [])
        if not rows:
            return
        columns = _columns(rows, len(names))


def _columns(rows: Sequence[Any], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _kind_of(values: Sequence[Any]) -> Kind:
    types = {type(value) for value in values if value is not None}
    if types == {int}:
        return Kind.INTEGER
    return Kind.NUMBER if types and types <= {int, float} else Kind.STRING


def _array(values: Sequence[Any], kind: Kind) -> pa.Array:
    if kind is Kind.STRING:
        return arrow_of([None if value is None else _text(value) for value in values], kind)
    return arrow_of(values, kind)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return text_of(value, Kind.NUMBER if isinstance(value, float) else Kind.STRING)
