"""Exact values as tests compare them: one plain Python cell per kind, to Arrow and back.

| kind                    | cell                                        |
|-------------------------|---------------------------------------------|
| STRING, JSON            | str                                         |
| BOOLEAN                 | bool                                        |
| INTEGER, BIG_INTEGER    | int                                         |
| NUMBER                  | float                                       |
| DECIMAL                 | Decimal                                     |
| DATE                    | days since 1970-01-01, int                  |
| TIMESTAMP, TIMESTAMP_TZ | microseconds since 1970-01-01T00:00:00, int |
| TIME                    | microseconds since midnight, int            |

Days and microseconds are numbers because Python's own types end at the years 1 and 9999.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, assert_never

import pyarrow as pa

from penstock.data.types import Kind, arrow_type, kind_of_arrow

Cell = str | bool | int | float | Decimal | None
Row = Mapping[str, Cell]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Found:
    """One value as a destination gave it back, and the kind of the column it came from."""

    kind: Kind
    cell: Cell


def array_of(kind: Kind, cells: Sequence[Cell]) -> pa.Array:
    """Returns the cells as the Arrow array that travels between reader and writer."""
    target = arrow_type(kind)
    match kind:
        case Kind.DATE:
            return pa.array(cells, pa.int32()).view(target)
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ | Kind.TIME:
            return pa.array(cells, pa.int64()).view(target)
        case Kind.BIG_INTEGER | Kind.DECIMAL:
            return pa.array([None if c is None else Decimal(c) for c in cells], target)
        case Kind.JSON:
            return pa.ExtensionArray.from_storage(target, pa.array(cells, pa.string()))
        case Kind.STRING | Kind.BOOLEAN | Kind.INTEGER | Kind.NUMBER:
            return pa.array(cells, target)
        case _:
            assert_never(kind)


def cells_of(column: pa.Array | pa.ChunkedArray) -> list[Cell]:  # noqa: PLR0911 - a line a type
    """Returns a column of any Arrow type as cells of `kind_of_arrow(column.type)`."""
    if isinstance(column, pa.ChunkedArray):
        return [cell for chunk in column.chunks for cell in cells_of(chunk)]
    if isinstance(column, pa.ExtensionArray):
        return cells_of(column.storage)
    if pa.types.is_dictionary(column.type):
        return cells_of(column.dictionary_decode())
    types = pa.types
    if types.is_date(column.type):
        return list(column.cast(pa.date32()).view(pa.int32()).to_pylist())
    if types.is_timestamp(column.type):
        plain = column.cast(pa.timestamp("us", tz=column.type.tz))
        return list(plain.view(pa.int64()).to_pylist())
    if types.is_time(column.type):
        return list(column.cast(pa.time64("us")).view(pa.int64()).to_pylist())
    if types.is_decimal(column.type) and column.type.scale == 0:
        return [None if value is None else int(value) for value in column.to_pylist()]
    if types.is_nested(column.type):
        return [None if value is None else json.dumps(value) for value in column.to_pylist()]
    return list(column.to_pylist())


def found_rows(table: pa.Table) -> list[dict[str, Found]]:
    """Returns a table read back, row by row, each value with the kind of its column."""
    columns = {
        name: [Found(kind_of_arrow(column.type), cell) for cell in cells_of(column)]
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return [{name: cells[i] for name, cells in columns.items()} for i in range(table.num_rows)]


_HOLDS: dict[Kind, frozenset[Kind]] = {
    Kind.INTEGER: frozenset({Kind.INTEGER, Kind.BIG_INTEGER}),
    Kind.JSON: frozenset({Kind.JSON, Kind.STRING}),
}
"""Column kinds that store a kind as such, beside itself."""


def is_stored_as(planned: Kind, found: Kind, *, is_native: bool) -> bool:
    """Tells whether a column of kind `found` is what the capabilities promise for `planned`."""
    if not is_native:
        return found is Kind.STRING
    return found in _HOLDS.get(planned, frozenset({planned}))


def is_same(planned: Kind, expected: Cell, found: Found) -> bool:
    """Tells whether a value came back as it went in, be it as its text or in a wider column."""
    if expected is None or found.cell is None:
        return expected is None and found.cell is None
    cell = found.cell
    if found.kind in (Kind.STRING, Kind.JSON) and isinstance(cell, str):
        texts = (cell, _json_string(cell)) if planned is not Kind.JSON else (cell,)
        parsed = [cell_of_text(planned, text) for text in texts if text is not None]
        return any(one is not None and _equal(planned, expected, one) for one in parsed)
    if _family(planned) != _family(found.kind):
        return False
    return _equal(planned, expected, cell)


def _json_string(text: str) -> str | None:
    """Returns what a JSON string holds: how a text lies in a column that was JSON before."""
    if not text.startswith('"'):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _family(kind: Kind) -> str:
    match kind:
        case Kind.INTEGER | Kind.BIG_INTEGER | Kind.NUMBER | Kind.DECIMAL:
            return "numeric"
        case Kind.STRING | Kind.JSON:
            return "text"
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            return "timestamp"
        case Kind.BOOLEAN | Kind.DATE | Kind.TIME:
            return kind.value
        case _:
            assert_never(kind)


def _equal(kind: Kind, expected: Cell, cell: Cell) -> bool:
    if kind is Kind.JSON and isinstance(expected, str) and isinstance(cell, str):
        return bool(exact_json(expected) == exact_json(cell))
    if isinstance(expected, float) and isinstance(cell, float):
        same_sign = math.copysign(1.0, expected) == math.copysign(1.0, cell)
        return expected == cell and same_sign
    return bool(expected == cell) and isinstance(expected, bool) == isinstance(cell, bool)


@dataclass(frozen=True, slots=True)
class _Number:
    """A JSON number by its exact value, so that 1e2 is 100 and no digit is lost."""

    value: Decimal


def exact_json(text: str) -> Any:
    """Returns JSON text parsed without rounding a number; not JSON raises ValueError."""
    return json.loads(
        text,
        parse_int=lambda literal: _Number(Decimal(literal)),
        parse_float=lambda literal: _Number(Decimal(literal)),
    )


def cell_of_text(kind: Kind, text: str) -> Cell:
    """Returns the cell that a text stands for; None when it is not a value of this kind."""
    try:
        return _parse(kind, text)
    except (ValueError, InvalidOperation):
        return None


def _parse(kind: Kind, text: str) -> Cell:  # noqa: PLR0911 - a line a kind
    match kind:
        case Kind.STRING:
            return text
        case Kind.JSON:
            exact_json(text)
            return text
        case Kind.BOOLEAN:
            return {"true": True, "false": False}[text] if text in ("true", "false") else None
        case Kind.INTEGER | Kind.BIG_INTEGER:
            return int(text)
        case Kind.NUMBER:
            return float(text)
        case Kind.DECIMAL:
            return Decimal(text)
        case Kind.DATE:
            return days(date.fromisoformat(text))
        case Kind.TIME:
            return micros_of_day(time.fromisoformat(text))
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            return micros(datetime.fromisoformat(text))
        case _:
            assert_never(kind)


def text_of(kind: Kind, cell: Cell) -> str | None:  # noqa: PLR0911 - a line a kind
    """Returns the text that stands for a cell in a text column; years 1 to 9999 only."""
    if cell is None:
        return None
    match kind:
        case Kind.BOOLEAN:
            return "true" if cell else "false"
        case Kind.NUMBER:
            return repr(cell)
        case Kind.DECIMAL:
            return f"{Decimal(cell):f}"
        case Kind.DATE:
            return (date(1970, 1, 1) + timedelta(days=int(cell))).isoformat()
        case Kind.TIME:
            return (_EPOCH + timedelta(microseconds=int(cell))).time().isoformat()
        case Kind.TIMESTAMP:
            moment = _EPOCH + timedelta(microseconds=int(cell))
            return moment.replace(tzinfo=None).isoformat()
        case Kind.TIMESTAMP_TZ:
            return (_EPOCH + timedelta(microseconds=int(cell))).isoformat().replace("+00:00", "Z")
        case Kind.STRING | Kind.JSON | Kind.INTEGER | Kind.BIG_INTEGER:
            return str(cell)
        case _:
            assert_never(kind)


def json_text_of(kind: Kind, cell: Cell) -> str:
    """Returns the cell as JSON text, as a record would carry it."""
    if cell is None:
        return "null"
    if kind is Kind.JSON:
        return str(cell)
    text = text_of(kind, cell) or ""
    plain = (Kind.BOOLEAN, Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL)
    return text if kind in plain else json.dumps(text)


def days(value: date) -> int:
    """Returns days since 1970-01-01."""
    return (value - date(1970, 1, 1)).days


def micros(value: datetime) -> int:
    """Returns microseconds since 1970-01-01T00:00:00; without a zone, of the wall clock."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def micros_of_day(value: time) -> int:
    """Returns microseconds since midnight."""
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def sort_key(row: Iterable[Cell]) -> tuple[str, ...]:
    """Returns a key by which rows of any cells have one order."""
    return tuple(f"{type(cell).__name__}:{cell!r}" for cell in row)
