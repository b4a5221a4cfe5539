"""Rows as Parquet, JSON lines or CSV files: written batch by batch, and read back exactly."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from penstock.data.arrays import of_values
from penstock.data.coerce import coercer
from penstock.data.encode import object_lines
from penstock.data.types import Kind
from penstock.destinations.files.config import FilesConfig
from penstock.errors import DataError
from penstock.sdk.files.parquet_file import ParquetFile
from penstock.sdk.stored_columns import as_text, stored_schema, stored_type, with_json

_READ_ROWS: Final = 65_536
_AS_THEY_ARE: Final = frozenset({Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER})
_record: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RowFile(Protocol):
    """One local file being written."""

    @property
    def bytes(self) -> int:
        """How large it is by now, about."""
        ...

    def write(self, rows: pa.RecordBatch) -> None: ...

    def close(self) -> int:
        """Ends the file and returns the rows in it."""
        ...


def suffix_of(config: FilesConfig) -> str:
    """Returns how the names of data files end."""
    packing = {"gzip": ".gz", "zstd": ".zst"}.get(config.compression, "")
    return f".{config.format}" if config.format == "parquet" else f".{config.format}{packing}"


def new_file(path: Path, config: FilesConfig, kinds: Mapping[str, Kind]) -> RowFile:
    """Returns a new file for rows of these columns."""
    if config.format == "parquet":
        compression = "zstd" if config.compression == "auto" else config.compression
        return ParquetFile(path, stored_schema(kinds), compression=compression)
    return _TextFile(path, config, kinds)


class _TextFile:
    def __init__(self, path: Path, config: FilesConfig, kinds: Mapping[str, Kind]) -> None:
        self._path = path
        self._kinds = kinds
        self._rows = 0
        self._sink = _packed(path, config.compression)
        self._csv: Any = None
        if config.format == "csv":
            schema = pa.schema([(n, _csv_type(kind)) for n, kind in kinds.items()])
            self._csv = pa_csv.CSVWriter(self._sink, schema)

    @property
    def bytes(self) -> int:
        return self._path.stat().st_size

    def write(self, rows: pa.RecordBatch) -> None:
        if self._csv is not None:
            arrays = [
                array if kind in _AS_THEY_ARE else as_text(array, kind)
                for array, kind in zip(rows.columns, self._kinds.values(), strict=True)
            ]
            self._csv.write_batch(pa.RecordBatch.from_arrays(arrays, names=rows.schema.names))
        else:
            for lines in object_lines(with_json(rows, self._kinds)):
                self._sink.write(lines)
        self._rows += rows.num_rows

    def close(self) -> int:
        if self._csv is not None:
            self._csv.close()
        self._sink.close()
        return self._rows


def _packed(path: Path, compression: str) -> Any:
    if compression == "gzip":
        return gzip.open(path, "wb", compresslevel=6)
    if compression == "zstd":
        return pa.CompressedOutputStream(str(path), "zstd")
    return path.open("wb")


def _csv_type(kind: Kind) -> pa.DataType:
    return stored_type(kind) if kind in _AS_THEY_ARE else pa.string()


def read_rows(source: IO[bytes], path: str, kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a data file as they were written, in columns of these kinds.

    A column the file does not have is null. The file's format is told by its name.
    """
    schema = stored_schema(kinds)
    for batch in _batches(source, path, kinds):
        arrays = [
            batch.column(field.name)
            if field.name in batch.schema.names
            else pa.nulls(batch.num_rows, field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _batches(source: IO[bytes], path: str, kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    name = path.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        yield from pq.ParquetFile(source).iter_batches(_READ_ROWS)
        return
    if path.endswith(".gz"):
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=source))
    elif path.endswith(".zst"):
        plain = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
        source = io.BufferedReader(plain)
    yield from _csv_rows(source, kinds) if name.endswith(".csv") else _json_rows(source, kinds)


def _csv_rows(source: Any, kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    table = pa_csv.read_csv(
        source,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=64 << 20),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(kinds, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for batch in table.to_batches(_READ_ROWS):
        arrays = [_of_text(batch.column(n), kinds[n]) for n in batch.schema.names]
        yield pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _of_text(texts: pa.Array, kind: Kind) -> pa.Array:
    if kind in (Kind.STRING, Kind.JSON):
        return texts
    if kind in _AS_THEY_ARE:
        return texts.cast(stored_type(kind))
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    return _parsed([None if t is None else t.encode() for t in quoted.to_pylist()], kind)


def _json_rows(source: Any, kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    lines: list[dict[str, Any]] = []
    for line in source:
        lines.append(_record.decode(line))
        if len(lines) == _READ_ROWS:
            yield _of_lines(lines, kinds)
            lines = []
    if lines:
        yield _of_lines(lines, kinds)


def _of_lines(lines: list[dict[str, Any]], kinds: Mapping[str, Kind]) -> pa.RecordBatch:
    names = [name for name in kinds if name in lines[0]]
    arrays = [
        _parsed([bytes(line[name]) if name in line else None for line in lines], kinds[name])
        for name in names
    ]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _parsed(texts: list[bytes | None], kind: Kind) -> pa.Array:
    coerce = coercer(kind)
    values = []
    for text in texts:
        value, misfit = (None, None) if text is None or text == b"null" else coerce(text)
        if misfit is not None:
            raise DataError(
                f"A data file holds {text!r} where a value of kind {kind} was written.",
                remedy="The file was changed by others: restore it, or sync the stream anew.",
            )
        values.append(value)
    target = stored_type(kind)
    if kind is Kind.DATE:
        return of_values(values, pa.int32()).view(target)
    if kind in (Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        return of_values(values, pa.int64()).view(target)
    return of_values(values, target)
