"""Where in its table's folder a row goes: partitions, and files of about one size."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind
from penstock.destinations.files.config import FilesConfig
from penstock.destinations.files.formats import RowFile, new_file, suffix_of
from penstock.sdk.stored_columns import as_text

_DATED: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})
_UNIT_CHARACTERS: Final = {"day": 10, "month": 7, "year": 4}
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
"""As Hive, Spark, DuckDB and pyarrow name the folder of nulls."""
_OPEN_FILES: Final = 64
_MAX_FOLDER_BYTES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A finished local file and the place it is for, relative to the table's folder."""

    local: Path
    path: str
    rows: int
    bytes: int


class Parts:
    """Cuts the rows of one transaction into files, in a local folder."""

    def __init__(
        self, folder: Path, config: FilesConfig, kinds: Mapping[str, Kind], *, owner: str
    ) -> None:
        self._folder = folder
        self._config = config
        self._kinds = kinds
        self._owner = owner
        self._open: dict[str, tuple[str, Path, RowFile]] = {}
        self._done: list[Part] = []

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows with the table's columns."""
        for folder, some in self._by_partition(rows):
            if some.num_rows:
                self._write_in(folder, some)

    def take(self) -> list[Part]:
        """Closes what is open and returns all files since the last call."""
        for folder in list(self._open):
            self._close(folder)
        done, self._done = self._done, []
        return done

    def discard(self) -> None:
        """Removes all files, finished or not."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_in(self, folder: str, rows: pa.RecordBatch) -> None:
        if folder not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._close(next(iter(self._open)))
            name = f"{self._owner}-{uuid.uuid4().hex}{suffix_of(self._config)}"
            local = self._folder / name
            file = new_file(local, self._config, self._kinds)
            self._open[folder] = (name, local, file)
        file = self._open[folder][2]
        file.write(rows)
        if file.bytes >= self._config.file_megabytes << 20:
            self._close(folder)

    def _close(self, folder: str) -> None:
        name, local, file = self._open.pop(folder)
        rows = file.close()
        path = f"{folder}/{name}" if folder else name
        self._done.append(Part(local=local, path=path, rows=rows, bytes=local.stat().st_size))

    def _by_partition(self, rows: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        column = self._config.partition_by
        if column is None or column not in self._kinds or not rows.num_rows:
            yield "", rows
            return
        values = as_text(rows.column(column), self._kinds[column])
        length = _UNIT_CHARACTERS.get(self._config.partition_unit)
        if length and self._kinds[column] in _DATED:
            values = pc.utf8_slice_codeunits(values, 0, length)
        codes = pc.dictionary_encode(values, null_encoding="encode")
        for code, value in enumerate(codes.dictionary.to_pylist()):
            folder = f"{quote(column, safe='')}={_folder_name(value)}"
            yield folder, rows.filter(pc.equal(codes.indices, code))


def _folder_name(value: str | None) -> str:
    """Returns a value as the name of a folder, cut where file systems would refuse it."""
    if not value:
        return _NO_VALUE
    name = quote(value, safe=" +,:@")
    if len(name) <= _MAX_FOLDER_BYTES:
        return name
    return name[:_MAX_FOLDER_BYTES].rsplit("%", 1)[0] if "%" in name else name[:_MAX_FOLDER_BYTES]
