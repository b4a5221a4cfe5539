"""What the tests of the file source share: reading a whole stream into plain rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.data.types import columns_of
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.file import FileConfig, FileSource
from penstock.sources.file.config import FileOptions, FileStreamConfig
from penstock.sources.file.stream import FileStream


def stream_of(path: Path | str, **settings: Any) -> FileStream:
    options = settings.pop("options", {})
    storage = settings.pop("storage_options", {})
    each = FileStreamConfig(path=str(path), options=FileOptions(**options), **settings)
    (stream,) = FileSource(FileConfig(streams=(each,), storage_options=storage)).streams()
    return stream


def kinds_of(stream: FileStream) -> dict[str, str]:
    return {column.name: str(column.kind) for column in columns_of(stream.json_schema)}


def items_of(
    stream: FileStream,
    state: Mapping[str, Any] | None = None,
    mode: SyncMode = SyncMode.FULL_REFRESH,
) -> list[Any]:
    return list(stream.read(ReadRequest(mode=mode, state=state)))


def rows_in(items: list[Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, pa.RecordBatch):
            rows += item.to_pylist()
        elif not isinstance(item, State):
            rows += item
    return rows


def rows_of(stream: FileStream) -> list[dict[str, Any]]:
    return rows_in(items_of(stream))


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
