"""Native rows as RECORD lines: exact values, one pass, no message object a row."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from penstock.data.types import Kind, kind_of_arrow
from penstock.protocol.catalog import StreamDescriptor

if TYPE_CHECKING:
    import pyarrow as pa

_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_ROWS_AT_ONCE: Final = 5_000
"""Rows of an Arrow batch that are Python objects at one time."""


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


def lines_of_batch(
    stream: StreamDescriptor, batch: pa.RecordBatch, *, emitted_at: int
) -> Iterator[bytes]:
    """Yields the RECORD lines of an Arrow batch; JSON columns stand in them as they are."""
    json_names = [field.name for field in batch.schema if kind_of_arrow(field.type) is Kind.JSON]
    for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
        rows = batch.slice(start, _ROWS_AT_ONCE).to_pylist()
        for row in rows:
            for name in json_names:
                if isinstance(row[name], str):
                    row[name] = orjson.Fragment(_on_one_line(row[name]))
        yield lines_of_rows(stream, rows, emitted_at=emitted_at)


def _on_one_line(json_text: str) -> str:
    """Returns JSON without line breaks: they stand between its tokens only, as white space."""
    if "\n" in json_text or "\r" in json_text:
        return json_text.replace("\n", " ").replace("\r", " ")
    return json_text


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
