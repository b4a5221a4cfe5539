"""What the decoder's tests share: lines lines, and the rows the reference makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from penstock.data.careful import CarefulRows
from penstock.data.decode import MessageDecoder, StreamShape
from penstock.data.items import Batch, Item
from penstock.data.types import Column, Kind
from penstock.protocol.catalog import StreamDescriptor

USERS = StreamDescriptor("users")


def line(data: str, *, stream: str = "users", emitted_at: int = 1_700_000_000_000) -> bytes:
    return b'{"type":"RECORD","record":{"stream":"%b","data":%b,"emitted_at":%d}}\n' % (
        stream.encode(),
        data.encode("utf-8", "surrogatepass"),
        emitted_at,
    )


def state(stream: str, count: float | None = None, position: int = 0) -> bytes:
    stats = b"" if count is None else b',"sourceStats":{"recordCount":%.1f}' % count
    return (
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"%b"},'
        b'"stream_state":{"at":%d}}%b}}\n' % (stream.encode(), position, stats)
    )


def columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name=name, kind=kind) for name, kind in kinds.items())


def decoded(
    blocks: Iterable[bytes], shape: tuple[Column, ...], *, is_raw: bool = False
) -> list[Item]:
    with MessageDecoder({USERS: StreamShape(columns=shape, is_raw=is_raw)}, threads=1) as decoder:
        items = [item for block in blocks for item in decoder.decode(block)]
        return [*items, *decoder.finish()]


def rows_of(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Returns rows as plain storage values: whole numbers for instants, text for JSON."""
    return [row for item in items if isinstance(item, Batch) for row in plain(item.rows)]


def plain(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = [name for name in batch.schema.names if name != "_airbyte_extracted_at"]
    values = [_storage(batch.column(name)).to_pylist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _storage(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        return array.storage
    if pa.types.is_timestamp(array.type) or pa.types.is_time(array.type):
        return array.view(pa.int64())
    return array.view(pa.int32()) if pa.types.is_date(array.type) else array


def reference(
    data: Sequence[str], shape: tuple[Column, ...], *, is_raw: bool = False
) -> list[dict[str, Any]]:
    """Returns what the careful path alone makes of records."""
    rows = CarefulRows(shape, is_raw=is_raw)
    for text in data:
        rows.add(text.encode("utf-8", "surrogatepass"))
    names = ["_airbyte_data"] if is_raw else [column.name for column in shape]
    values = [_storage(array).to_pylist() for array in rows.arrays()]
    return [
        {**dict(zip(names, row, strict=True)), "_airbyte_changes": changes}
        for row, changes in zip(zip(*values, strict=True), rows.changes, strict=True)
    ]
