"""Native rows as RECORD lines: exact values, one pass, no message object a row."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from penstock.data.batch import BatchBuilder
from penstock.data.encode import encode_batch
from penstock.data.types import Column, kind_of_arrow
from penstock.protocol.catalog import StreamDescriptor

if TYPE_CHECKING:
    import pyarrow as pa

_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_ROWS_AT_ONCE: Final = 20_000
"""Rows of an Arrow batch that are text at one time."""


def lines_of_rows(
    stream: StreamDescriptor,
    rows: list[dict[str, Any]],
    *,
    emitted_at: int,
    fields: Collection[str] | None = None,
) -> bytes:
    """Returns a RECORD line a row. `fields` leaves out the properties not in it.

    Integers of any size, decimals, dates, times and bytes (as base64) keep their exact value;
    NaN and the infinities, which JSON does not have, become null.
    """
    head, tail = _envelope(stream, emitted_at)
    if fields is not None:
        rows = [{key: row[key] for key in row if key in fields} for row in rows]
    parts: list[bytes] = []
    for row in rows:
        parts += (head, json_bytes(row), tail)
    return b"".join(parts)


def lines_of_texts(stream: StreamDescriptor, texts: Iterable[bytes], *, emitted_at: int) -> bytes:
    """Returns a RECORD line a row whose JSON text is at hand, on one line; to the letter."""
    head, tail = _envelope(stream, emitted_at)
    joined = (tail + head).join(texts)
    return b"".join((head, joined, tail)) if joined else b""


class BatchLines:
    """Arrow batches as RECORD lines, a column at a time; use it as a context."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._builders: dict[tuple[Column, ...], BatchBuilder] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def lines(
        self, stream: StreamDescriptor, batch: pa.RecordBatch, *, emitted_at: int
    ) -> Iterator[bytes]:
        """Yields the lines of a batch, some thousand rows at a time."""
        columns = tuple(
            Column(name=field.name, kind=kind_of_arrow(field.type)) for field in batch.schema
        )
        builder = self._builders.get(columns)
        if builder is None:
            builder = self._stack.enter_context(BatchBuilder(columns, is_raw=False))
            self._builders[columns] = builder
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            part = batch.slice(start, _ROWS_AT_ONCE)
            built = builder.from_arrow(part, extracted_at_ms=emitted_at)
            yield from encode_batch(stream, built.rows)


def json_bytes(value: Any) -> bytes:
    """Returns any native value as JSON text."""
    try:
        return orjson.dumps(value, default=_exact, option=_OPTIONS)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits, lone surrogates: rare, so looked for only when orjson objects.
        return orjson.dumps(_safe(value), default=_exact, option=_OPTIONS)


def _envelope(stream: StreamDescriptor, emitted_at: int) -> tuple[bytes, bytes]:
    namespace = b""
    if stream.namespace:
        namespace = b'"namespace":' + orjson.dumps(stream.namespace) + b","
    name = orjson.dumps(stream.name)
    head = b'{"type":"RECORD","record":{' + namespace + b'"stream":' + name + b',"data":'
    return head, b',"emitted_at":%d}}\n' % emitted_at


def _exact(value: Any) -> Any:
    match value:
        case Decimal():
            return orjson.Fragment(format(value, "f")) if value.is_finite() else None
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _safe(value: Any) -> Any:
    match value:
        case int() if not -(1 << 63) <= value < 1 << 64:
            return orjson.Fragment(str(value))
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "replace").decode() if not _is_encodable(value) else value
        case dict():
            return {_safe(key): _safe(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_safe(inner) for inner in value]
        case _:
            return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
