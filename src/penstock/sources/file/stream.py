"""One stream of files: its schema from every value, its rows file by file, its place among them."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from penstock.data.types import Column, Kind, columns_of, stream_schema
from penstock.errors import ConfigError, DataError, TransientError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.files.formats import Compression, Format, format_of_bytes, format_of_name
from penstock.sdk.files.listing import (
    FileRef,
    current_version,
    is_pattern,
    list_files,
    shown,
)
from penstock.sdk.files.staging import PlainFile, first_bytes, plain_file
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.file.config import FileStreamConfig
from penstock.sources.file.delimited import DelimitedReader
from penstock.sources.file.excel import ExcelReader
from penstock.sources.file.history import History, history_of
from penstock.sources.file.json_lines import JsonReader
from penstock.sources.file.kinds import merged
from penstock.sources.file.known_facts import keep_facts, known_facts
from penstock.sources.file.parquet import ParquetReader
from penstock.sources.file.reading import FileFacts, Options, Reader

log = logging.getLogger(__name__)

URL_COLUMN: Final = "_ab_source_file_url"
MODIFIED_COLUMN: Final = "_ab_source_file_last_modified"
"""The names Airbyte's file sources use."""

_STATE_BYTES: Final = 64 << 20
"""Arrow bytes of one file between two states, so that a crash costs little."""

_READERS: Final[Mapping[Format, Reader]] = {
    Format.CSV: DelimitedReader(),
    Format.TSV: DelimitedReader("\t"),
    Format.JSONL: JsonReader(),
    Format.JSON: JsonReader(is_document=True),
    Format.PARQUET: ParquetReader(),
    Format.EXCEL: ExcelReader(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """All that, beside the file itself, decides what is found in it."""

    format: Format
    compression: Compression | None
    encoding: str | None
    options: Options


class FileStream:
    """Reads the files of one path, glob or folder as one table, oldest file first.

    Every value of every file is looked at before a column gets its kind, so that none has to be
    bent to fit. Files that differ are joined by column name; a column's kind is the narrowest
    that holds the values of all.
    """

    namespace: str | None = None
    primary_key: tuple[PropertyPath, ...] = ()
    is_resumable = True

    def __init__(
        self, name: str, config: FileStreamConfig, storage_options: Mapping[str, Any]
    ) -> None:
        self.name = name
        self._config = config
        self._storage = storage_options
        self._given = _given_columns(config)
        wanted = config.file_columns
        self._has_file_columns = is_pattern(config.path) if wanted is None else wanted

    @property
    def cursor(self) -> PropertyPath | None:
        return (MODIFIED_COLUMN,) if self._has_file_columns else None

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        if self._has_file_columns:
            return (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
        return (SyncMode.FULL_REFRESH,)

    @functools.cached_property
    def json_schema(self) -> Mapping[str, Any]:
        if self._config.json_schema is not None:
            schema = json.loads(self._config.json_schema)
            properties = {**schema.get("properties", {}), **self._file_schema()}
            return {**schema, "properties": properties}
        found: dict[str, list[Kind | None]] = {}
        for ref in list_files(self._config.path, self._storage):
            for column in self._inspected(ref).columns:
                found.setdefault(column.name, []).append(column.kind)
        columns = [
            Column(name=name, kind=self._given.get(name) or merged(kinds))
            for name, kinds in found.items()
        ]
        self._refuse_unknown(found)
        schema = stream_schema(tuple(columns))
        schema["properties"] |= self._file_schema()
        return schema

    def check(self) -> None:
        """Lists the files, and reads the first bytes of the first."""
        ref = list_files(self._config.path, self._storage)[0]
        recipe = self._recipe(ref)
        first_bytes(ref, compression=recipe.compression, storage_options=self._storage)

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | State]:
        history = history_of(request.state)
        if request.mode is SyncMode.FULL_REFRESH and history.is_complete:
            history = History(files={})
        wanted = {column.name: column.kind for column in columns_of(self.json_schema)}
        for ref in list_files(self._config.path, self._storage):
            if history.has_read(ref):
                continue
            rows = history.rows_read(ref)
            unsaved = 0
            for page in self._pages(ref, wanted, skip=rows):
                yield page
                rows += _rows_of(page)
                unsaved += page.nbytes if isinstance(page, pa.RecordBatch) else 500 * len(page)
                if unsaved >= _STATE_BYTES and ref.has_version:
                    yield State(history.within(ref, rows).value())
                    unsaved = 0
            history = history.after(ref)
            yield State(history.value())
        yield State(replace(history, current=None, is_complete=True).value())

    def _pages(
        self, ref: FileRef, wanted: Mapping[str, Kind], *, skip: int
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]]]:
        recipe = self._recipe(ref)
        with self._plain(ref, recipe) as plain:
            facts = self._facts_of(plain, recipe)
            for note in facts.notes:
                log.warning("file read with a repair", extra={"file": ref.url, "note": note})
            rows = skip
            for page in _READERS[recipe.format].read(
                plain.path, ref.url, facts, wanted, recipe.options, skip=skip
            ):
                rows += _rows_of(page)
                yield self._with_file_columns(page, ref)
            self._prove(ref, rows, facts.rows, plain)

    def _prove(self, ref: FileRef, rows: int, counted: int, plain: PlainFile) -> None:
        """Compares the rows read with those counted before; the file must be the same still."""
        if not plain.is_copy and current_version(ref, self._storage).version() != ref.version():
            raise TransientError(
                f"{ref.url} was changed while it was being read.",
                remedy="Run the sync again when nobody writes the file.",
                file=ref.url,
            )
        if rows != counted:
            raise DataError(
                f"{ref.url} gave {rows} rows; counting it before gave {counted}.",
                remedy="Run the sync again; if it stays so, please report it with the file.",
                file=ref.url,
            )

    def _with_file_columns(
        self, page: pa.RecordBatch | list[dict[str, Any]], ref: FileRef
    ) -> pa.RecordBatch | list[dict[str, Any]]:
        if not self._has_file_columns:
            return page
        extra = {URL_COLUMN: ref.url, MODIFIED_COLUMN: ref.modified_text}
        if isinstance(page, list):
            for row in page:
                row.update(extra)
            return page
        columns, names = page.columns, page.schema.names
        for name, value in extra.items():
            columns.append(pa.repeat(pa.scalar(value, pa.string()), page.num_rows))
            names.append(name)
        return pa.RecordBatch.from_arrays(columns, names=names)

    def _file_schema(self) -> dict[str, Any]:
        if not self._has_file_columns:
            return {}
        return {name: {"type": ["null", "string"]} for name in (URL_COLUMN, MODIFIED_COLUMN)}

    def _recipe(self, ref: FileRef) -> _Recipe:
        config = self._config
        packed = config.options.compression
        compression = None if packed == "auto" else Compression(packed)
        kind = Format(config.format) if config.format != "auto" else format_of_name(ref.url)
        if kind is None:
            head = first_bytes(ref, compression=compression, storage_options=self._storage)
            kind = format_of_bytes(head) or Format.CSV
        options = config.options
        return _Recipe(
            format=kind,
            compression=compression,
            encoding=options.encoding if kind.is_text else None,
            options=Options(
                delimiter=options.delimiter,
                quote=options.quote,
                escape=options.escape,
                header=options.header,
                column_names=tuple(options.column_names),
                nulls=tuple(options.nulls),
                skip_rows=options.skip_rows,
                sheet=options.sheet,
            ),
        )

    def _plain(self, ref: FileRef, recipe: _Recipe) -> Any:
        return plain_file(
            ref,
            compression=recipe.compression,
            encoding=recipe.encoding,
            storage_options=self._storage,
        )

    def _inspected(self, ref: FileRef) -> FileFacts:
        recipe = self._recipe(ref)
        known = known_facts(ref, recipe)
        if known is not None:
            return known
        with self._plain(ref, recipe) as plain:
            return self._facts_of(plain, recipe)

    def _facts_of(self, plain: PlainFile, recipe: _Recipe) -> FileFacts:
        look = _remembered if plain.ref.has_version else _look
        return look(_Version(plain.ref, str(plain.path)), recipe)

    def _refuse_unknown(self, found: Mapping[str, Any]) -> None:
        unknown = [name for name in self._given if name not in found]
        if unknown:
            raise ConfigError(
                f"Stream {self.name}: no file has a column {', '.join(map(repr, unknown))}.",
                remedy=f"Correct the setting columns; there are {', '.join(map(repr, found))}.",
            )


@dataclass(frozen=True, slots=True)
class _Version:
    ref: FileRef
    path: str


def _look(version: _Version, recipe: _Recipe) -> FileFacts:
    reader = _READERS[recipe.format]
    return reader.inspect(Path(version.path), version.ref.url, recipe.options)


@functools.lru_cache(maxsize=4096)
def _remembered(version: _Version, recipe: _Recipe) -> FileFacts:
    """Looks at one version of a file once: in the life of the process, and before it."""
    facts = known_facts(version.ref, recipe)
    if facts is None:
        facts = _look(version, recipe)
        keep_facts(version.ref, recipe, facts)
    return facts


def _rows_of(page: pa.RecordBatch | list[dict[str, Any]]) -> int:
    return len(page)


def _given_columns(config: FileStreamConfig) -> dict[str, Kind]:
    try:
        given = {name: Kind(kind) for name, kind in config.columns.items()}
    except ValueError as error:
        raise ConfigError(
            f"The setting columns of {shown(config.path)} is wrong: {error}.",
            remedy=f"Use one of: {', '.join(Kind)}.",
        ) from error
    if config.json_schema is None:
        return given
    if given:
        raise ConfigError(
            f"{shown(config.path)} has both columns and json_schema.",
            remedy="Leave one of them out.",
        )
    try:
        schema = json.loads(config.json_schema)
        is_object = isinstance(schema, dict) and isinstance(schema.get("properties"), dict)
    except ValueError as error:
        raise ConfigError(
            f"The json_schema of {shown(config.path)} is not JSON: {error}.",
            remedy="Correct it, or leave it out to have the schema found.",
        ) from error
    if not is_object:
        raise ConfigError(
            f"The json_schema of {shown(config.path)} has no properties.",
            remedy='Write it as {"type": "object", "properties": {…}}.',
        )
    return {}
