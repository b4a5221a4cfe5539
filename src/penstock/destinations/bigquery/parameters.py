"""Values of Python as query parameters; NULL, which has no type of its own, as a literal."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from google.cloud import bigquery

from penstock.errors import ConfigError

_MARK: Final = re.compile(
    r"""\?|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
"""A question mark, or what may hold one that stands for nothing."""
_TYPES: Final[tuple[tuple[type[Any], str], ...]] = (
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (Decimal, "BIGNUMERIC"),
    (str, "STRING"),
    (bytes, "BYTES"),
    (dt.datetime, "TIMESTAMP"),
    (dt.date, "DATE"),
    (dt.time, "TIME"),
)


def with_nulls(sql: str, parameters: Sequence[Any]) -> str:
    """Returns the SQL with NULL in the place of each parameter that is None."""
    if not any(value is None for value in parameters):
        return sql
    values = iter(parameters)

    def placed(found: re.Match[str]) -> str:
        is_null = found[0] == "?" and next(values) is None
        return "NULL" if is_null else found[0]

    return _MARK.sub(placed, sql)


def as_parameters(values: Sequence[Any]) -> list[bigquery.ScalarQueryParameter]:
    """Returns the parameters that are left; raises ConfigError for a value of no known type."""
    return [
        bigquery.ScalarQueryParameter(None, _type_of(value), value)
        for value in values
        if value is not None
    ]


def _type_of(value: Any) -> str:
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return "DATETIME"
    for python, name in _TYPES:
        if isinstance(value, python):
            return name
    raise ConfigError(
        f"A value of type {type(value).__name__} cannot be a parameter of BigQuery's SQL.",
        remedy="Give text, numbers, truth values, dates or times.",
    )
