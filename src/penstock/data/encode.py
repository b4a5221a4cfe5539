"""Canonical batches back to RECORD lines, for Airbyte's own destination connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data import temporal
from penstock.data.arrays import divided
from penstock.data.careful import CHANGES, DATA_COLUMN, EXTRACTED_AT
from penstock.data.json_text import compact
from penstock.data.types import Kind, kind_of_arrow
from penstock.protocol.catalog import StreamDescriptor

_PART_BYTES: Final = 64 << 20
_NEEDS_ESCAPE: Final = r'["\\\x00-\x1f]'
_YEAR_1_DAYS: Final = temporal.days_from_civil(1, 1, 1)
_YEAR_10000_DAYS: Final = temporal.days_from_civil(10_000, 1, 1)
_DAY_MICROS: Final = 86_400_000_000


def encode_batch(stream: StreamDescriptor, batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yields the rows of a canonical batch as RECORD lines, some megabytes at a time.

    Every value is written exactly: integers and decimals digit by digit, instants in UTC with
    Z, JSON as its own text; NaN and infinities, which JSON has not, as null. Changes of a row
    go into its `meta` (Airbyte protocol 0.18, `AirbyteRecordMessageMeta`).
    """
    if not batch.num_rows:
        return
    size = max(1, batch.num_rows * _PART_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, size):
        yield _encoded(stream, batch.slice(start, size))


def _encoded(stream: StreamDescriptor, batch: pa.RecordBatch) -> bytes:
    name = orjson.dumps(stream.name).decode()
    head = f'{{"type":"RECORD","record":{{"stream":{name}'
    if stream.namespace:
        head += f',"namespace":{orjson.dumps(stream.namespace).decode()}'
    parts: list[Any] = [head + ',"data":', *_data_parts(batch), ',"emitted_at":']
    micros = batch.column(EXTRACTED_AT).view(pa.int64())
    parts.append(divided(micros, 1000).cast(pa.string()))
    changes = batch.column(CHANGES)
    if changes.null_count < len(changes):
        meta = pc.binary_join_element_wise(',"meta":{"changes":', changes, "}", "")
        parts.append(meta.fill_null(""))
    parts.append("}}\n")
    return _joined(parts)


def _joined(parts: list[Any]) -> bytes:
    """Returns texts and columns of texts put together row by row."""
    scalars = [
        pa.scalar(p, pa.large_string()) if isinstance(p, str) else p.cast(pa.large_string())
        for p in parts
    ]
    lines = pc.binary_join_element_wise(*scalars, pa.scalar("", pa.large_string()))
    offsets = memoryview(lines.buffers()[1]).cast("B").cast("q")
    first, last = offsets[lines.offset], offsets[lines.offset + len(lines)]
    return bytes(memoryview(lines.buffers()[2])[first:last])


def _data_parts(batch: pa.RecordBatch) -> list[Any]:
    own = [name for name in batch.schema.names if name not in (EXTRACTED_AT, CHANGES)]
    if own == [DATA_COLUMN.name]:
        return [value_texts(batch.column(0))]
    return _object_parts(batch, own)


def _object_parts(batch: pa.RecordBatch, names: list[str]) -> list[Any]:
    parts: list[Any] = []
    for position, name in enumerate(names):
        parts.append(("," if position else "{") + orjson.dumps(name).decode() + ":")
        parts.append(value_texts(batch.column(position)).fill_null("null"))
    return [*parts, "}" if names else "{}"]


def object_lines(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yields the rows of any batch as lines of JSON objects, as exact as `encode_batch`."""
    if not batch.num_rows:
        return
    size = max(1, batch.num_rows * _PART_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, size):
        yield _joined([*_object_parts(batch.slice(start, size), batch.schema.names), "\n"])


def value_texts(array: pa.Array) -> pa.Array:
    """Returns the JSON text of each value, null for null."""
    kind = kind_of_arrow(array.type)
    return _WRITERS[kind](array.storage if kind is Kind.JSON else array)


def _booleans(array: pa.Array) -> pa.Array:
    return pc.if_else(array, "true", "false")


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _decimals(array: pa.Array) -> pa.Array:
    """Writes decimals without an exponent, which Arrow uses for small ones."""
    texts = array.cast(pa.string())
    return _rewritten(texts, pc.match_substring(texts, "E"), array, lambda value: f"{value:f}")


def _numbers(array: pa.Array) -> pa.Array:
    finite = pc.if_else(pc.is_finite(array), array, None)
    return finite.cast(pa.string())


def _strings(array: pa.Array) -> pa.Array:
    quoted = pc.binary_join_element_wise('"', array, '"', "")
    needs_escape = pc.match_substring_regex(array, _NEEDS_ESCAPE)
    return _rewritten(quoted, needs_escape, array, lambda text: orjson.dumps(text).decode())


def _json(array: pa.Array) -> pa.Array:
    is_broken = pc.match_substring_regex(array, r"[\r\n]")
    return _rewritten(array, is_broken, array, lambda text: compact(text.encode()).decode())


def _rewritten(
    texts: pa.Array, is_odd: pa.Array, values: pa.Array, write: Callable[[Any], str]
) -> pa.Array:
    """Replaces the texts of odd values by what `write` makes of each."""
    is_odd = is_odd.fill_null(pa.scalar(value=False))
    if not pc.any(is_odd).as_py():
        return texts
    odd = [write(value) for value in values.filter(is_odd).to_pylist()]
    return pc.replace_with_mask(texts, is_odd, pa.array(odd, pa.string()))


def _instants(array: pa.Array) -> pa.Array:
    return _clock_texts(array, suffix="Z")


def _wall_clocks(array: pa.Array) -> pa.Array:
    return _clock_texts(array, suffix="")


def _clock_texts(array: pa.Array, *, suffix: str) -> pa.Array:
    whole = array.view(pa.int64())
    if not _is_common(whole, _DAY_MICROS):
        return _by_value(whole, lambda micros: temporal.iso_instant(micros, suffix=suffix))
    texts = array.view(pa.timestamp("us")).cast(pa.string())
    dated = pc.replace_substring(texts, " ", "T", max_replacements=1)
    return pc.binary_join_element_wise('"', dated, suffix + '"', "")


def _dates(array: pa.Array) -> pa.Array:
    whole = array.view(pa.int32())
    if not _is_common(whole, 1):
        return _by_value(whole, temporal.iso_date)
    return pc.binary_join_element_wise('"', array.cast(pa.string()), '"', "")


def _times(array: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', array.cast(pa.string()), '"', "")


def _is_common(whole: pa.Array, per_day: int) -> bool:
    """Tells whether all lie in the years 1 to 9999, which every library writes alike."""
    bounds = pc.min_max(whole).as_py()
    low, high = bounds["min"], bounds["max"]
    return low is None or (low >= _YEAR_1_DAYS * per_day and high < _YEAR_10000_DAYS * per_day)


def _by_value(whole: pa.Array, write: Callable[[int], str]) -> pa.Array:
    texts = [None if value is None else f'"{write(value)}"' for value in whole.to_pylist()]
    return pa.array(texts, pa.string())


_WRITERS: Final[dict[Kind, Callable[[pa.Array], pa.Array]]] = {
    Kind.STRING: _strings,
    Kind.BOOLEAN: _booleans,
    Kind.INTEGER: _plain,
    Kind.BIG_INTEGER: _decimals,
    Kind.NUMBER: _numbers,
    Kind.DECIMAL: _decimals,
    Kind.DATE: _dates,
    Kind.TIMESTAMP_TZ: _instants,
    Kind.TIMESTAMP: _wall_clocks,
    Kind.TIME: _times,
    Kind.JSON: _json,
}
