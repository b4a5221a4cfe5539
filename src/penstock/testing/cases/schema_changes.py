"""Tables that change between two syncs: what was there, what comes, what must be there then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from penstock.data.types import Kind
from penstock.testing.cells import Cell, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCase:
    """Columns and rows of two syncs into one table; `id` is in both."""

    name: str
    before: Mapping[str, Kind]
    after: Mapping[str, Kind]
    first: tuple[Row, ...]
    second: tuple[Row, ...]

    def __str__(self) -> str:
        return self.name


def _type_change(
    old: Kind, olds: tuple[Cell, ...], new: Kind, news: tuple[Cell, ...], *, what: str = ""
) -> SchemaCase:
    return SchemaCase(
        name=f"{old} to {new}{what}",
        before={"id": Kind.INTEGER, "value": old},
        after={"id": Kind.INTEGER, "value": new},
        first=tuple({"id": i, "value": cell} for i, cell in enumerate((*olds, None))),
        second=tuple({"id": 100 + i, "value": cell} for i, cell in enumerate((*news, None))),
    )


_ID: Final = {"id": Kind.INTEGER}
_LATE: Final[Mapping[Kind, Cell]] = {
    Kind.STRING: "late",
    Kind.BOOLEAN: True,
    Kind.INTEGER: 2**53 + 1,
    Kind.BIG_INTEGER: 10**30,
    Kind.NUMBER: 0.1,
    Kind.DECIMAL: Decimal("19.99"),
    Kind.DATE: 19_000,
    Kind.TIMESTAMP_TZ: 1_700_000_000_123_457,
    Kind.TIMESTAMP: 1_700_000_000_123_457,
    Kind.TIME: 1,
    Kind.JSON: '{"late": [1]}',
}

ADDED: Final = tuple(
    SchemaCase(
        name=f"a late column of kind {kind}",
        before=_ID,
        after={**_ID, "late": kind},
        first=({"id": 1}, {"id": 2}),
        second=({"id": 3, "late": cell}, {"id": 4, "late": None}),
    )
    for kind, cell in _LATE.items()
)

OTHER: Final = (
    SchemaCase(
        name="a column that went away",
        before={**_ID, "gone": Kind.STRING},
        after=_ID,
        first=({"id": 1, "gone": "kept"},),
        second=({"id": 2},),
    ),
    SchemaCase(
        name="columns in another order",
        before={**_ID, "a": Kind.STRING, "b": Kind.STRING},
        after={"b": Kind.STRING, "a": Kind.STRING, **_ID},
        first=({"id": 1, "a": "a1", "b": "b1"},),
        second=({"id": 2, "a": "a2", "b": "b2"},),
    ),
    SchemaCase(
        name="one came, one went, one stayed",
        before={**_ID, "stays": Kind.STRING, "goes": Kind.INTEGER},
        after={"comes": Kind.DATE, **_ID, "stays": Kind.STRING},
        first=({"id": 1, "stays": "a", "goes": 1},),
        second=({"id": 2, "stays": "b", "comes": 19_000},),
    ),
)

_BIG: Final = 2**53 + 1

TYPES: Final = (
    _type_change(Kind.INTEGER, (1, -(2**63)), Kind.BIG_INTEGER, (10**30, 0)),
    _type_change(Kind.INTEGER, (1, 2**40), Kind.DECIMAL, (Decimal("0.000000001"), Decimal(5))),
    _type_change(Kind.INTEGER, (1, 2**40), Kind.NUMBER, (0.5, 1e300)),
    _type_change(Kind.INTEGER, (7, _BIG), Kind.STRING, ("007", "text", "")),
    _type_change(Kind.INTEGER, (7, _BIG), Kind.JSON, ('{"a": 1}', "[]", '"x"')),
    _type_change(Kind.BIG_INTEGER, (10**30,), Kind.STRING, ("x",)),
    _type_change(Kind.BIG_INTEGER, (10**30, 5), Kind.INTEGER, (7, -(2**63))),
    _type_change(Kind.NUMBER, (0.5, 1e20), Kind.STRING, ("x", "1.50")),
    _type_change(Kind.NUMBER, (0.5,), Kind.INTEGER, (7, 2**40)),
    _type_change(Kind.DECIMAL, (Decimal("1.5"),), Kind.INTEGER, (7, _BIG)),
    _type_change(Kind.DECIMAL, (Decimal("19.99"),), Kind.STRING, ("x",)),
    _type_change(Kind.BOOLEAN, (True, False), Kind.STRING, ("x", "yes")),
    _type_change(Kind.BOOLEAN, (True, False), Kind.INTEGER, (7, 0)),
    _type_change(Kind.DATE, (19_000,), Kind.STRING, ("x",)),
    _type_change(Kind.TIME, (1, 43_200_000_000), Kind.STRING, ("x",)),
    _type_change(Kind.TIMESTAMP_TZ, (1_700_000_000_123_457,), Kind.STRING, ("x",)),
    _type_change(Kind.STRING, ("007", "text", ""), Kind.INTEGER, (7, _BIG)),
    _type_change(Kind.STRING, ("text", '{"a": 1}'), Kind.JSON, ('{"a": [1]}', "[]")),
    _type_change(Kind.STRING, ("text",), Kind.TIMESTAMP_TZ, (1_700_000_000_123_457,)),
    _type_change(Kind.STRING, ("text",), Kind.BOOLEAN, (True, False)),
    _type_change(Kind.JSON, ('{"a": 1}', "[1]"), Kind.INTEGER, (7,)),
    _type_change(Kind.JSON, ('{"a": 1}', "[1]"), Kind.STRING, ("text",)),
)

_INEXACTLY: Final = ", values that do not fit"

INEXACT: Final = (
    _type_change(Kind.INTEGER, (_BIG, 1), Kind.NUMBER, (0.5,), what=_INEXACTLY),
    _type_change(Kind.NUMBER, (0.5,), Kind.INTEGER, (_BIG,), what=_INEXACTLY),
    _type_change(
        Kind.NUMBER,
        (0.1,),
        Kind.DECIMAL,
        (Decimal("12345678901234567.123456789"),),
        what=_INEXACTLY,
    ),
    _type_change(
        Kind.DECIMAL,
        (Decimal("12345678901234567.123456789"),),
        Kind.NUMBER,
        (1e300,),
        what=_INEXACTLY,
    ),
)
"""Where the obvious wider type would change a value: kept exact, or null or rounded on record."""

REPLACING: Final = (*OTHER, *TYPES[3:6], *INEXACT[:1])
"""Enough for a table that is replaced: nothing of the old one may be left to disturb."""

SCHEMA_CASES: Final = (*ADDED, *OTHER, *TYPES, *INEXACT)
