"""What a cell holds: each type of Smartsheet's columns as a kind, and its cells as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from penstock.data.types import Kind, json_schema_of

Cell = Mapping[str, Any]

_FORMULA_ERROR: Final = re.compile(r"#[A-Z][A-Z -]*")
"""What a formula that fails shows: "#INVALID OPERATION", "#REF", "#NO MATCH"."""


class Unfit(Exception):
    """The cell holds something else than its column's type says."""


def _text(cell: Cell) -> str:
    value = cell["value"]
    return value if isinstance(value, str) else _written(value)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _date(cell: Cell) -> str:
    value = cell["value"]
    if not isinstance(value, str) or len(value) != len("2024-05-01"):
        raise Unfit
    _parsed(date.fromisoformat, value)
    return value


def _moment(cell: Cell) -> str:
    value = _string(cell)
    if _parsed(datetime.fromisoformat, value).tzinfo is None:
        raise Unfit
    return value


def _local_moment(cell: Cell) -> str:
    value = _string(cell)
    if _parsed(datetime.fromisoformat, value).tzinfo is not None or "T" not in value:
        raise Unfit
    return value


def _string(cell: Cell) -> str:
    value = cell["value"]
    if not isinstance(value, str):
        raise Unfit
    return value


def _parsed(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise Unfit from None


def _checkbox(cell: Cell) -> bool:
    value = cell["value"]
    if not isinstance(value, bool):
        raise Unfit
    return value


def _contact(cell: Cell) -> dict[str, Any]:
    found = _object(cell, "CONTACT")
    if found is not None:
        return {"email": found.get("email"), "name": found.get("name")}
    text = _string(cell)
    if "@" in text:
        return {"email": text, "name": cell.get("displayValue")}
    return {"email": None, "name": text}


def _contacts(cell: Cell) -> list[dict[str, Any]]:
    found = _object(cell, "MULTI_CONTACT")
    if found is None:
        raise Unfit
    return [{"email": value.get("email"), "name": value.get("name")} for value in found["values"]]


def _choices(cell: Cell) -> list[str]:
    found = _object(cell, "MULTI_PICKLIST")
    if found is None:
        raise Unfit
    return [_written(value) for value in found["values"]]


def _duration(cell: Cell) -> dict[str, Any]:
    found = _object(cell, "DURATION")
    if found is None:
        raise Unfit
    parts = {name: value for name, value in found.items() if name != "objectType"}
    return {"text": cell.get("displayValue") or _text(cell), **parts}


def _predecessors(cell: Cell) -> dict[str, Any]:
    found = _object(cell, "PREDECESSOR_LIST")
    if found is None:
        raise Unfit
    return {"text": _text(cell), "predecessors": found.get("predecessors") or []}


def _object(cell: Cell, kind: str) -> Mapping[str, Any] | None:
    found = cell.get("objectValue")
    is_kind = isinstance(found, Mapping) and found.get("objectType") == kind
    return found if is_kind else None


def _integer(cell: Cell) -> int:
    number = _number(cell)
    if number != int(number):
        raise Unfit
    return int(number)


def _number(cell: Cell) -> int | Decimal:
    value = cell["value"]
    if isinstance(value, str):
        # Dropdowns keep numbers as text; "007" and "1e3" stay what they are.
        if not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", value):
            raise Unfit
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Unfit
    return value


_PERSON: Final = {
    "type": ["null", "object"],
    "properties": {
        "email": {"type": ["null", "string"]},
        "name": {"type": ["null", "string"]},
    },
}
_OBJECT: Final = {"type": ["null", "object"], "additionalProperties": True}


@dataclass(frozen=True, slots=True)
class _Type:
    read: Callable[[Cell], Any]
    schema: Mapping[str, Any]


def _plain(read: Callable[[Cell], Any], kind: Kind) -> _Type:
    return _Type(read, json_schema_of(kind))


_STRING: Final = _plain(_text, Kind.STRING)
_TYPES: Final[Mapping[str, _Type]] = MappingProxyType(
    {
        "TEXT_NUMBER": _STRING,
        "PICKLIST": _STRING,
        "DATE": _plain(_date, Kind.DATE),
        "DATETIME": _plain(_moment, Kind.TIMESTAMP_TZ),
        "ABSTRACT_DATETIME": _plain(_local_moment, Kind.TIMESTAMP),
        "CHECKBOX": _plain(_checkbox, Kind.BOOLEAN),
        "CONTACT_LIST": _Type(_contact, _PERSON),
        "MULTI_CONTACT_LIST": _Type(_contacts, {"type": ["null", "array"], "items": _PERSON}),
        "MULTI_PICKLIST": _Type(_choices, {"type": ["null", "array"], "items": {"type": "string"}}),
        "DURATION": _Type(_duration, _OBJECT),
        "PREDECESSOR": _Type(_predecessors, _OBJECT),
    }
)
_CHOSEN: Final[Mapping[Kind, _Type]] = MappingProxyType(
    {
        Kind.STRING: _STRING,
        Kind.INTEGER: _plain(_integer, Kind.INTEGER),
        Kind.NUMBER: _plain(_number, Kind.NUMBER),
        Kind.DECIMAL: _plain(_number, Kind.DECIMAL),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """One column of a sheet or report: where its cells are, and the property they become."""

    ids: frozenset[int]
    """Its id; a column of a report has a virtual one, too."""
    name: str
    type: _Type

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its values."""
        return self.type.schema

    def value(self, cell: Cell) -> Any:
        """Returns the cell's value; None where it has none. Raises Unfit."""
        value = cell.get("value")
        if value is None:
            return None
        is_formula = isinstance(value, str) and "formula" in cell
        if is_formula and _FORMULA_ERROR.fullmatch(value):
            raise Unfit
        return self.type.read(cell)


def columns_in(
    found: Sequence[Mapping[str, Any]], *, taken: frozenset[str], kinds: Mapping[str, str]
) -> tuple[SheetColumn, ...]:
    """Returns the columns of a sheet or report; titles that are `taken` get a number.

    A type that is not known is read as text: Smartsheet may add some.
    """
    columns: list[SheetColumn] = []
    names = set(taken)
    for column in found:
        title = str(column.get("title") or "column")
        name, number = title, 1
        while name in names:
            number += 1
            name = f"{title}_{number}"
        names.add(name)
        plain = column.get("type") in ("TEXT_NUMBER", "PICKLIST")
        chosen = _CHOSEN[Kind(kinds[title])] if plain and title in kinds else None
        columns.append(
            SheetColumn(
                ids=frozenset(column[key] for key in ("id", "virtualId") if key in column),
                name=name,
                type=chosen or _TYPES.get(str(column.get("type")), _STRING),
            )
        )
    return tuple(columns)
