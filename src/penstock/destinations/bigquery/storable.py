"""Values that BigQuery cannot hold, replaced before they are sent, and each change recorded.

A number within JSON that neither 64 bits nor a double hold exactly becomes the nearest double
(TRUNCATED); a day or moment before year 1 or after year 9999 becomes NULL (NULLED). The reason is
DESTINATION_FIELD_SIZE_LIMITATION
(https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import of_values
from penstock.data.types import Kind
from penstock.destinations.bigquery.conversions import change_entry
from penstock.protocol.messages import ChangeKind

_REASON: Final = "DESTINATION_FIELD_SIZE_LIMITATION"
_SUSPECT: Final = r"[0-9.]{17}|[0-9][eE]"
"""Up to 15 digits always come back from a double."""
_STRING_OR_NUMBER: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?P<fraction>\.[0-9]+)?(?P<power>[eE][+-]?[0-9]+)?'
)
_INTEGERS: Final = range(-(2**63), 2**64)
_LARGEST: Final = "1.7976931348623157e308"
_DAY: Final = 86_400_000_000
_FIRST_DAY: Final = -719_162
_LAST_DAY: Final = 2_932_896

Changes = dict[int, list[str]]


def storable(
    columns: Sequence[pa.Array], kinds: Sequence[Kind], fields: Sequence[str], changes: pa.Array
) -> tuple[list[pa.Array], pa.Array]:
    """Returns the columns as BigQuery can hold them, JSON as text, and all changes."""
    made: Changes = {}
    stored = [
        _stored(column, kind, field, made)
        for column, kind, field in zip(columns, kinds, fields, strict=True)
    ]
    return stored, _with(changes, made)


def _stored(column: pa.Array, kind: Kind, field: str, made: Changes) -> pa.Array:
    match kind:
        case Kind.JSON:
            return _with_plain_numbers(column, field, made)
        case Kind.DATE:
            return _within(column, pa.int32(), (_FIRST_DAY, _LAST_DAY), field, made)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            bounds = (_FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1)
            return _within(column, pa.int64(), bounds, field, made)
        case _:
            return column


def _with_plain_numbers(column: pa.Array, field: str, made: Changes) -> pa.Array:
    texts = column.storage if isinstance(column, pa.ExtensionArray) else column
    is_suspect = pc.match_substring_regex(texts, _SUSPECT)
    if not pc.any(is_suspect).as_py():
        return texts
    values: list[Any] = texts.to_pylist()
    for row, suspect in enumerate(is_suspect.to_pylist()):
        if suspect:
            rewritten = _STRING_OR_NUMBER.sub(_rounded, values[row])
            if rewritten != values[row]:
                values[row] = rewritten
                _record(made, row, field, ChangeKind.TRUNCATED)
    return of_values(values, pa.string())


def _rounded(found: re.Match[str]) -> str:
    """Returns a number as BigQuery keeps it; text and what it keeps exactly as they are."""
    literal = found[0]
    if literal.startswith('"'):
        return literal
    if found["fraction"] is None and found["power"] is None and int(literal) in _INTEGERS:
        return literal
    nearest = float(literal)
    if math.isinf(nearest):
        return f"-{_LARGEST}" if nearest < 0 else _LARGEST
    return literal if Decimal(repr(nearest)) == Decimal(literal) else repr(nearest)


def _within(
    column: pa.Array, plain: pa.DataType, bounds: tuple[int, int], field: str, made: Changes
) -> pa.Array:
    first, last = bounds
    numbers = column.view(plain)
    found = pc.min_max(numbers).as_py()
    if found["min"] is None or (found["min"] >= first and found["max"] <= last):
        return column
    is_beyond = pc.or_(pc.less(numbers, first), pc.greater(numbers, last))
    for row, beyond in enumerate(is_beyond.to_pylist()):
        if beyond:
            _record(made, row, field, ChangeKind.NULLED)
    return pc.if_else(is_beyond, pa.scalar(None, column.type), column)


def _record(made: Changes, row: int, field: str, change: ChangeKind) -> None:
    made.setdefault(row, []).append(change_entry(field, change, _REASON))


def _with(changes: pa.Array, made: Changes) -> pa.Array:
    """Returns the changes of each row, as JSON lists, with those that were made here behind."""
    if not made:
        return changes
    texts: list[str | None] = changes.to_pylist()
    for row, entries in made.items():
        listed = [*json.loads(texts[row] or "[]"), *map(json.loads, entries)]
        texts[row] = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return of_values(texts, pa.string())
