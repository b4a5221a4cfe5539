"""Which kind each type of PostgreSQL is, and how a column of it is asked for.

| type                                        | kind         | as                              |
|---------------------------------------------|--------------|---------------------------------|
| boolean                                     | BOOLEAN      |                                 |
| smallint, integer, bigint, oid              | INTEGER      |                                 |
| numeric(p,0), p ≤ 38                        | BIG_INTEGER  |                                 |
| numeric(p,s), s ≤ 9, p - s ≤ 29             | DECIMAL      |                                 |
| numeric without limits, or beyond these     | STRING       | all digits; DECIMAL if wished   |
| real, double precision                      | NUMBER       | the double of the same value    |
| money                                       | DECIMAL      |                                 |
| date, time, timestamp, timestamptz          | their own    |                                 |
| time with time zone                         | STRING       | 04:05:06.7+02                   |
| json, jsonb                                 | JSON         | its text                        |
| arrays, composites                          | JSON         | `to_json`                       |
| uuid, char, varchar, text, enum             | STRING       |                                 |
| bytea                                       | STRING       | base64                          |
| interval                                    | STRING       | ISO 8601: P1Y2M3DT4H5M6.7S      |
| any other: ranges, inet, hstore, geometry … | STRING       | the server's own text           |

A domain is its base type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.data.types import Kind
from penstock.sdk.postgres.connection import Connection, rows_of
from penstock.sdk.postgres.copy_out import Form, WireColumn

_PLAIN: Final[Mapping[int, tuple[Kind, Form]]] = {
    16: (Kind.BOOLEAN, Form.BOOLEAN),
    20: (Kind.INTEGER, Form.INT8),
    21: (Kind.INTEGER, Form.INT2),
    23: (Kind.INTEGER, Form.INT4),
    26: (Kind.INTEGER, Form.OID),
    700: (Kind.NUMBER, Form.FLOAT4),
    701: (Kind.NUMBER, Form.FLOAT8),
    1082: (Kind.DATE, Form.DATE),
    1083: (Kind.TIME, Form.TIME),
    1114: (Kind.TIMESTAMP, Form.TIMESTAMP),
    1184: (Kind.TIMESTAMP_TZ, Form.TIMESTAMP),
    25: (Kind.STRING, Form.TEXT),
    1042: (Kind.STRING, Form.TEXT),
    1043: (Kind.STRING, Form.TEXT),
    19: (Kind.STRING, Form.TEXT),
    114: (Kind.JSON, Form.TEXT),
    3802: (Kind.JSON, Form.JSONB),
    2950: (Kind.STRING, Form.UUID),
    17: (Kind.STRING, Form.BYTES),
}
"""By the fixed object identifiers of `pg_type.dat`."""

_NUMERIC: Final = 1700
_MONEY: Final = 790
_MOST_DIGITS: Final = 38
_MOST_PLACES: Final = 9
_MOST_WHOLE_DIGITS: Final = 29

_TYPES_QUERY: Final = """
WITH RECURSIVE base AS (
    SELECT t.oid AS asked, t.oid, t.typtype, t.typcategory, t.typbasetype, t.typtypmod,
           -1 AS modifier
      FROM pg_catalog.pg_type AS t WHERE t.oid = ANY(%s::oid[])
    UNION ALL
    SELECT b.asked, t.oid, t.typtype, t.typcategory, t.typbasetype, t.typtypmod,
           greatest(b.modifier, b.typtypmod)
      FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.typbasetype
     WHERE b.typtype = 'd'
)
SELECT asked, oid, typtype::text, typcategory::text, modifier FROM base WHERE typtype <> 'd'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseType:
    """What a type is once its domains are taken off."""

    oid: int
    sort: str
    """`pg_type.typtype`: b base, c composite, e enum, r range, m multirange, p pseudo."""
    category: str
    """`pg_type.typcategory`: A for arrays."""
    modifier: int
    """Of the domain; -1 for none."""


def base_types(connection: Connection, oids: Sequence[int]) -> dict[int, BaseType]:
    """Returns the base type of each type."""
    rows = rows_of(connection, _TYPES_QUERY, (sorted(set(oids)),))
    return {
        asked: BaseType(oid=oid, sort=sort, category=category, modifier=modifier)
        for asked, oid, sort, category, modifier in rows
    }


def read_column(
    name: str, expression: str, base: BaseType, modifier: int, *, wide_as: Kind = Kind.STRING
) -> tuple[WireColumn, str]:
    """Returns how a column is read, and the SQL that asks for it.

    `wide_as` is the kind of numerics that no decimal of 38 digits and 9 places surely holds.
    """
    kind, form, asked = _reading(expression, base, max(modifier, base.modifier), wide_as)
    return WireColumn(name=name, kind=kind, form=form), asked


def _reading(  # noqa: PLR0911 - a line a kind of type
    expression: str, base: BaseType, modifier: int, wide_as: Kind
) -> tuple[Kind, Form, str]:
    if base.oid in _PLAIN:
        return (*_PLAIN[base.oid], expression)
    if base.oid == _NUMERIC:
        kind = numeric_kind(modifier, wide_as=wide_as)
        if kind is Kind.STRING:
            return kind, Form.TEXT, f"{expression}::text"
        return kind, Form.NUMERIC, expression
    if base.oid == _MONEY:
        return Kind.DECIMAL, Form.NUMERIC, f"{expression}::numeric"
    if base.category == "A" or base.sort == "c":
        return Kind.JSON, Form.TEXT, f"to_json({expression})"
    if base.sort == "e":
        return Kind.STRING, Form.TEXT, expression
    return Kind.STRING, Form.TEXT, f"{expression}::text"


def numeric_kind(modifier: int, *, wide_as: Kind) -> Kind:
    """Returns the kind of a numeric, by its modifier: precision and scale, -1 for none."""
    if modifier < 0:
        return wide_as
    # numeric.c: ((precision << 16) | (scale & 0x7ff)) + VARHDRSZ, the scale signed since 15.
    precision = (modifier - 4) >> 16 & 0xFFFF
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if scale <= 0 and precision - scale <= _MOST_DIGITS:
        return Kind.BIG_INTEGER
    if 0 < scale <= _MOST_PLACES and precision - scale <= _MOST_WHOLE_DIGITS:
        return Kind.DECIMAL
    return wide_as
