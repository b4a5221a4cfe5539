"""Parquet: kinds from the file's own schema, rows straight through, nested values as JSON text."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.data.types import JSON_TYPE, Kind, kind_of_arrow
from penstock.sources.file.reading import (
    BATCH_ROWS,
    ColumnFacts,
    FileFacts,
    Options,
    not_what_it_claims,
    parser_errors,
    unique_names,
)

_WHOLE_DIGITS: Final = 29
_PLACES: Final = 9
"""What Kind.DECIMAL, decimal128(38, 9), holds; more travels as text."""


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """Reads Parquet files batch by batch."""

    def inspect(self, path: Path, url: str, options: Options) -> FileFacts:
        """Reads the footer only: Parquet says itself what every column holds."""
        del options
        try:
            with pq.ParquetFile(path) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
        except parser_errors() as error:
            raise _broken(url, error) from error
        names, notes = unique_names(schema.names)
        columns = tuple(
            ColumnFacts(name=name, kind=_kind_of(field.type))
            for name, field in zip(names, schema, strict=True)
        )
        return FileFacts(columns=columns, rows=rows, notes=notes, layout={})

    def read(
        self,
        path: Path,
        url: str,
        facts: FileFacts,
        wanted: Mapping[str, Kind],
        options: Options,
        *,
        skip: int,
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]]]:
        """Yields the rows in order, columns in the types of the file or as exact text."""
        del wanted, options
        names = [column.name for column in facts.columns]
        if not names:
            return
        try:
            yield from _batches(path, names, skip)
        except parser_errors() as error:
            raise _broken(url, error) from error


def _batches(path: Path, names: list[str], skip: int) -> Iterator[pa.RecordBatch]:
    # One thread and no read-ahead: half the memory, less time in all (the writer needs the
    # other cores), and still faster than any destination.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        groups: list[int] = []
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if skip >= rows and not groups:
                skip -= rows
            else:
                groups.append(group)
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, use_threads=False):
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            arrays = [_carried(array) for array in batch.slice(skip).columns]
            skip = 0
            yield pa.RecordBatch.from_arrays(arrays, names=names)


def _kind_of(data_type: pa.DataType) -> Kind:
    types = pa.types
    if types.is_dictionary(data_type):
        return _kind_of(data_type.value_type)
    if types.is_null(data_type):
        return Kind.STRING
    if types.is_decimal(data_type):
        if data_type.scale == 0 and data_type.precision <= 18:
            return Kind.INTEGER
        if not _fits_decimal(data_type):
            return Kind.STRING
    return kind_of_arrow(data_type)


def _fits_decimal(data_type: pa.DataType) -> bool:
    if data_type.scale == 0:
        return bool(data_type.precision <= 38)
    whole = data_type.precision - data_type.scale
    return bool(0 <= data_type.scale <= _PLACES and whole <= _WHOLE_DIGITS)


def _carried(array: pa.Array) -> pa.Array:  # noqa: PLR0911 (one return a type)
    """Returns the array in a type that the engine takes, nothing lost."""
    types, data_type = pa.types, array.type
    if isinstance(data_type, pa.BaseExtensionType) and data_type != JSON_TYPE:
        return _carried(array.storage)
    if types.is_dictionary(data_type):
        return _carried(array.dictionary_decode())
    if types.is_null(data_type):
        return array.cast(pa.string())
    if types.is_nested(data_type):
        texts = [None if value is None else _json(value) for value in array.to_pylist()]
        return pa.ExtensionArray.from_storage(JSON_TYPE, pa.array(texts, pa.string()))
    if (
        types.is_binary(data_type)
        or types.is_large_binary(data_type)
        or (types.is_fixed_size_binary(data_type) or types.is_binary_view(data_type))
    ):
        texts = [
            None if value is None else base64.b64encode(value).decode()
            for value in array.to_pylist()
        ]
        return pa.array(texts, pa.string())
    if types.is_decimal(data_type) and not _fits_decimal(data_type):
        texts = [None if value is None else format(value, "f") for value in array.to_pylist()]
        return pa.array(texts, pa.string())
    if types.is_duration(data_type):
        return array.cast(pa.int64()).cast(pa.string())
    if types.is_float16(data_type):
        return array.cast(pa.float64())
    return array


def _json(value: Any) -> str:  # noqa: PLR0911 (one return a type)
    """Returns exact JSON text: decimals as numbers, maps as lists of pairs, bytes as base64."""
    match value:
        case dict():
            items = (f"{orjson.dumps(str(k)).decode()}:{_json(v)}" for k, v in value.items())
            return "{" + ",".join(items) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_json, value)) + "]"
        case bool() | str() | float() | None:
            return orjson.dumps(value).decode()
        case int():
            return str(value)
        case Decimal():
            return format(value, "f") if value.is_finite() else "null"
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case datetime() | date() | time():
            return f'"{value.isoformat()}"'
        case timedelta():
            return f'"{value}"'
        case _:
            return orjson.dumps(str(value)).decode()


def _broken(url: str, error: Exception) -> Exception:
    return not_what_it_claims(
        url,
        f"is not a whole Parquet file: {str(error).splitlines()[0]}",
        remedy="Write or fetch the file again; it was probably cut off.",
    )
