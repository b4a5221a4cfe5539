"""A cursor's value on its way into a state and back, in the type that the driver gave."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.sources.sql.database import Value

_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "str": str,
}


def remembered(value: Any) -> Value:
    """Returns a value as a state keeps it; ConfigError for one that has no order."""
    name = type(value).__name__
    if name not in _PARSERS:
        raise ConfigError(
            f"A cursor's value is a {name}, which has no order.",
            remedy="Choose another cursor: a number, a date, a time or a text.",
        )
    is_temporal = isinstance(value, datetime.date | datetime.time)
    return Value(text=value.isoformat() if is_temporal else str(value), type=name)


def parsed(value: Value) -> Any:
    """Returns the value; ConfigError for what `remembered` never gives."""
    parser = _PARSERS.get(value.type)
    try:
        if parser is not None:
            return parser(value.text)
    except (ValueError, ArithmeticError) as error:
        raise _unknown(value) from error
    raise _unknown(value)


def _unknown(value: Value) -> ConfigError:
    return ConfigError(
        f"The state holds {value.text[:40]!r} as a {value.type}, which this source never wrote.",
        remedy="Reset the stream's state (`penstock state reset`), and the next sync begins anew.",
    )
