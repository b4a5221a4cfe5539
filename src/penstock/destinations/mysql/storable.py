"""Values that MySQL cannot hold, replaced before they are sent, and each change recorded.

| value                                   | becomes | recorded                                  |
|-----------------------------------------|---------|-------------------------------------------|
| a number that is not finite             | NULL    | NULLED, DESTINATION_TYPECAST_ERROR        |
| a day or moment before year 1, or after | NULL    | NULLED, DESTINATION_FIELD_SIZE_LIMITATION |
| year 9999                               |         |                                           |
"""

from __future__ import annotations

import json
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data import temporal
from penstock.data.arrays import number, rows_where
from penstock.data.types import Kind
from penstock.protocol.messages import ChangeKind

Changes = dict[int, list[dict[str, str]]]

_DAY_MICROS: Final = 86_400_000_000
_FIRST_DAY: Final = temporal.days_from_civil(1, 1, 1)
_END_DAY: Final = temporal.days_from_civil(10_000, 1, 1)
TYPECAST: Final = "DESTINATION_TYPECAST_ERROR"
_SIZE: Final = "DESTINATION_FIELD_SIZE_LIMITATION"


def storable(array: pa.Array, kind: Kind, field: str, made: Changes) -> pa.Array:
    """Returns a column as MySQL can hold it, and notes what that changed."""
    match kind:
        case Kind.NUMBER:
            is_odd = pc.invert(pc.is_finite(array))
            return _nulled(array, is_odd, field, TYPECAST, made)
        case Kind.DATE:
            days = array.view(pa.int32()).cast(pa.int64())
            return _nulled(array, _beyond(days, 1), field, _SIZE, made)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            micros = array.view(pa.int64())
            return _nulled(array, _beyond(micros, _DAY_MICROS), field, _SIZE, made)
        case _:
            return array


def record(made: Changes, row: int, field: str, change: ChangeKind, reason: str) -> None:
    """Notes that a value of a row was changed."""
    entry = {"field": field, "change": change.value, "reason": reason}
    made.setdefault(row, []).append(entry)


def meta_of(sync_id: int, changes: pa.Array, made: Changes) -> pa.Array:
    """Returns `_airbyte_meta`: the changes that came with each row, and those made here."""
    rows = len(changes)
    plain = f'{{"sync_id":{sync_id},"changes":[]}}'
    if changes.null_count == rows and not made:
        return pa.repeat(plain, rows)
    texts = [
        plain if text is None and row not in made else _listed(sync_id, text, made.get(row, []))
        for row, text in enumerate(changes.to_pylist())
    ]
    return pa.array(texts, pa.string())


def _beyond(numbers: pa.Array, per_day: int) -> pa.Array:
    return pc.or_(
        pc.less(numbers, number(_FIRST_DAY * per_day)),
        pc.greater_equal(numbers, number(_END_DAY * per_day)),
    )


def _nulled(array: pa.Array, is_odd: pa.Array, field: str, reason: str, made: Changes) -> pa.Array:
    if not pc.any(is_odd).as_py():
        return array
    for row in rows_where(is_odd).to_pylist():
        record(made, row, field, ChangeKind.NULLED, reason)
    return pc.if_else(is_odd.fill_null(pa.scalar(value=False)), pa.scalar(None, array.type), array)


def _listed(sync_id: int, text: str | None, entries: list[dict[str, str]]) -> str:
    listed = [*json.loads(text or "[]"), *entries]
    return json.dumps(
        {"sync_id": sync_id, "changes": listed}, ensure_ascii=False, separators=(",", ":")
    )
