"""Values of a source that are not what its stream declares: the one place that decides it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, assert_never

import pyarrow as pa

from penstock.data.types import Column, Kind, kind_of_arrow
from penstock.testing.cells import cell_of_text, cells_of

_INT64 = range(-(2**63), 2**63)
_INT128 = range(-(10**38) + 1, 10**38)


def misfits(
    columns: Sequence[Column], page: pa.RecordBatch | list[dict[str, Any]]
) -> Iterator[str]:
    """Yields, of each value that does not fit or is not declared, what and where it is."""
    kinds = {column.name: column.kind for column in columns}
    if isinstance(page, pa.RecordBatch):
        yield from _in_batch(kinds, page)
        return
    for row in page:
        for name, value in row.items():
            if name not in kinds:
                yield f"{name!r} is not in the schema"
            elif value is not None and not fits(kinds[name], value):
                yield f"{name!r} is {kinds[name]}, and holds {value!r:.200}"


def _in_batch(kinds: Mapping[str, Kind], batch: pa.RecordBatch) -> Iterator[str]:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name not in kinds:
            yield f"{name!r} is not in the schema"
            continue
        found = kind_of_arrow(column.type)
        if found is Kind.STRING and kinds[name] is not Kind.STRING:
            texts = [cell for cell in cells_of(column) if cell is not None]
            wrong = [text for text in texts if not fits(kinds[name], text)]
            if wrong:
                yield f"{name!r} is {kinds[name]}, and holds {wrong[0]!r:.200}"
        elif found is not kinds[name] and (found, kinds[name]) not in _WIDER:
            yield f"{name!r} is {kinds[name]}, and comes as {column.type}"


_WIDER = frozenset(
    {
        (Kind.INTEGER, Kind.BIG_INTEGER),
        (Kind.INTEGER, Kind.DECIMAL),
        (Kind.INTEGER, Kind.NUMBER),
    }
)
"""(found, declared) where every value found is one of the declared kind."""


def fits(kind: Kind, value: Any) -> bool:  # noqa: PLR0911 - one line a kind
    """Tells whether one value of a record is of this kind, without any conversion of meaning."""
    is_text = isinstance(value, str)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    match kind:
        case Kind.STRING:
            return is_text
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.INTEGER:
            return is_integer and value in _INT64
        case Kind.BIG_INTEGER:
            is_whole = isinstance(value, Decimal) and value == value.to_integral_value()
            return (is_integer or is_whole) and int(value) in _INT128
        case Kind.NUMBER:
            return is_integer or (isinstance(value, float | Decimal) and math.isfinite(value))
        case Kind.DECIMAL:
            return is_integer or (isinstance(value, float | Decimal) and math.isfinite(value))
        case Kind.DATE:
            is_day = isinstance(value, date) and not isinstance(value, datetime)
            return is_day or (is_text and cell_of_text(kind, value) is not None)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            is_instant = isinstance(value, datetime)
            return is_instant or (is_text and cell_of_text(kind, value) is not None)
        case Kind.TIME:
            return isinstance(value, time) or (is_text and cell_of_text(kind, value) is not None)
        case Kind.JSON:
            return _is_json(value)
        case _:
            assert_never(kind)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False, default=_exact)
    except (TypeError, ValueError):
        return False
    return True


def _exact(value: Any) -> str:
    """Values a record may hold inside an object, as penstock writes them into JSON."""
    if isinstance(value, Decimal | date | time):
        return str(value)
    raise TypeError
