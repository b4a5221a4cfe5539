"""Values that PostgreSQL cannot hold, replaced before they are sent, and each change recorded.

| value                                 | becomes | recorded                                   |
|---------------------------------------|---------|--------------------------------------------|
| U+0000 in text or JSON                | U+FFFD  | TRUNCATED, DESTINATION_SERIALIZATION_ERROR |
| half a surrogate pair in JSON         | U+FFFD  | the same                                   |
| a day before 4713 BC or after 5874897 | NULL    | NULLED, DESTINATION_FIELD_SIZE_LIMITATION  |
| an instant before 4713 BC             | NULL    | the same                                   |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import of_values
from penstock.data.types import JSON_TYPE, Kind
from penstock.protocol.messages import ChangeKind
from penstock.sdk.postgres.vectors import flags_of, numbers_of
from penstock.sdk.postgres.wire import END_DAY, FIRST_DAY, FIRST_MICRO

_REPLACEMENT: Final = "\ufffd"
_SUSPECT_JSON: Final = r"\\u(?:0000|[dD][89a-fA-F])|\x00"
_ESCAPES: Final = re.compile(
    r"(?P<kept>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\x00"
)
_UNTOLD: Final = (ChangeKind.TRUNCATED, "DESTINATION_SERIALIZATION_ERROR")
_BEYOND: Final = (ChangeKind.NULLED, "DESTINATION_FIELD_SIZE_LIMITATION")

Changes = dict[int, list[dict[str, str]]]


def storable(
    columns: Sequence[pa.Array], kinds: Sequence[Kind], fields: Sequence[str], changes: pa.Array
) -> tuple[list[pa.Array], pa.Array]:
    """Returns the columns as PostgreSQL can hold them, and the changes with those made here."""
    made: Changes = {}
    stored = [
        _stored(column, kind, field, made)
        for column, kind, field in zip(columns, kinds, fields, strict=True)
    ]
    return stored, _with(changes, made)


def _stored(column: pa.Array, kind: Kind, field: str, made: Changes) -> pa.Array:
    match kind:
        case Kind.STRING:
            return _without_nul(column, field, made)
        case Kind.JSON:
            return _without_escapes(column, field, made)
        case Kind.DATE:
            return _within(column, FIRST_DAY, END_DAY, field, made)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            return _within(column, FIRST_MICRO, None, field, made)
        case _:
            return column


def _without_nul(column: pa.Array, field: str, made: Changes) -> pa.Array:
    _, offsets, content = column.buffers()
    if content is None or len(column) == 0:
        return column
    bounds = np.frombuffer(offsets, np.int32)
    first, last = bounds[column.offset], bounds[column.offset + len(column)]
    if np.frombuffer(content, np.uint8)[first:last].all():
        return column
    is_odd = pc.match_substring(column, "\x00")
    return _rewritten(column, is_odd, lambda text: text.replace("\x00", _REPLACEMENT), field, made)


def _without_escapes(column: pa.Array, field: str, made: Changes) -> pa.Array:
    texts = column.storage if isinstance(column, pa.ExtensionArray) else column
    is_odd = pc.match_substring_regex(texts, _SUSPECT_JSON)
    if not pc.any(is_odd).as_py():
        return column
    mended = _rewritten(texts, is_odd, _mended, field, made)
    return pa.ExtensionArray.from_storage(JSON_TYPE, mended)


def _mended(text: str) -> str:
    return _ESCAPES.sub(lambda found: found["kept"] or _REPLACEMENT, text)


def _rewritten(
    column: pa.Array, is_odd: pa.Array, rewrite: Callable[[str], str], field: str, made: Changes
) -> pa.Array:
    values: list[Any] = column.to_pylist()
    for row in np.flatnonzero(flags_of(is_odd.fill_null(pa.scalar(value=False)))).tolist():
        rewritten = rewrite(values[row])
        if rewritten != values[row]:
            values[row] = rewritten
            _record(made, row, field, _UNTOLD)
    return of_values(values, pa.string())


def _within(column: pa.Array, first: int, end: int | None, field: str, made: Changes) -> pa.Array:
    values = numbers_of(column)
    is_beyond = values < first
    if end is not None:
        is_beyond |= values >= end
    if not is_beyond.any():
        return column
    beyond = pc.and_(pa.array(is_beyond), column.is_valid())
    for row in np.flatnonzero(flags_of(beyond)).tolist():
        _record(made, row, field, _BEYOND)
    return pc.if_else(beyond, pa.scalar(None, column.type), column)


def _record(made: Changes, row: int, field: str, what: tuple[ChangeKind, str]) -> None:
    change, reason = what
    entry = {"field": field, "change": change.value, "reason": reason}
    made.setdefault(row, []).append(entry)


def _with(changes: pa.Array, made: Changes) -> pa.Array:
    """Returns the changes of each row, as JSON lists, with those that were made here behind."""
    if not made:
        return changes
    texts: list[str | None] = changes.to_pylist()
    for row, entries in made.items():
        listed = [*json.loads(texts[row] or "[]"), *entries]
        texts[row] = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return of_values(texts, pa.string())
