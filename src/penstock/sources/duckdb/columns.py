"""How each of DuckDB's types is asked for, and what its values become.

A type with values that no Arrow column of its kind holds (an infinite date, nanoseconds, 24:00) is
asked for twice: as it is, and as text where it is such a value. The text then stands in the batch,
and the engine judges it and records what it changes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import JSON_TYPE, Kind, arrow_type, kind_of_decimal
from penstock.sdk.duckdb.names import quoted

_DECIMAL: Final = re.compile(r"DECIMAL\((\d+),(\d+)\)$")

_TEXT: Final = "CAST({0} AS VARCHAR)"
_BIGINT: Final = (Kind.INTEGER, "CAST({0} AS BIGINT)", None)
_LARGER: Final = (Kind.BIG_INTEGER, _TEXT, None)
_NUMBER: Final = (Kind.NUMBER, "CAST({0} AS DOUBLE)", None)
_INFINITE: Final = "NOT isfinite({0})"
_TIMESTAMP: Final = (Kind.TIMESTAMP, "CAST({0} AS TIMESTAMP)", _INFINITE)

_PLAIN: Final[dict[str, tuple[Kind, str, str | None]]] = {
    "BOOLEAN": (Kind.BOOLEAN, "{0}", None),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), _BIGINT),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), _BIGINT),
    **dict.fromkeys(("UBIGINT", "HUGEINT", "UHUGEINT"), _LARGER),
    **dict.fromkeys(("FLOAT", "DOUBLE"), _NUMBER),
    "DATE": (Kind.DATE, "{0}", _INFINITE),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"), _TIMESTAMP),
    "TIMESTAMP_NS": (
        Kind.TIMESTAMP,
        "CAST({0} AS TIMESTAMP)",
        "CAST(CAST({0} AS TIMESTAMP) AS TIMESTAMP_NS) IS DISTINCT FROM {0}",
    ),
    "TIMESTAMP WITH TIME ZONE": (Kind.TIMESTAMP_TZ, "{0}", _INFINITE),
    "TIME": (Kind.TIME, "{0}", "{0} = TIME '24:00:00'"),
    "TIME_NS": (
        Kind.TIME,
        "CAST({0} AS TIME)",
        "CAST(CAST({0} AS TIME) AS TIME_NS) IS DISTINCT FROM {0}",
    ),
    "JSON": (Kind.JSON, _TEXT, None),
    "BLOB": (Kind.STRING, "base64({0})", None),
}
"""The kind of a type, the SQL that asks for its values, and that which is true of odd ones."""
_NESTED: Final = ("STRUCT(", "MAP(", "UNION(")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """One column: its kind, and the SQL that asks for it."""

    name: str
    type_name: str
    kind: Kind
    asked: str
    is_odd: str | None = None
    """SQL that is true of values that only a text holds."""
    is_binary: bool = False
    """True where text stands for bytes, as base64."""

    @property
    def sql(self) -> str:
        return quoted(self.name)

    @property
    def is_ordered(self) -> bool:
        """Tells whether the column can be a cursor: its order is that of its values."""
        return self.kind is not Kind.JSON and not self.is_binary

    def asked_for(self) -> list[str]:
        """Returns the expressions to select: one, or two where some values are odd."""
        if self.is_odd is None:
            return [self.asked]
        return [self.asked, f"CASE WHEN {self.is_odd} THEN CAST({self.sql} AS VARCHAR) END"]


def column_of(name: str, type_name: str) -> SourceColumn:
    """Returns how a column of this type is read."""
    kind, asked, is_odd = _PLAIN.get(type_name) or _made_of_others(type_name)
    sql = quoted(name)
    return SourceColumn(
        name=name,
        type_name=type_name,
        kind=kind,
        asked=asked.format(sql),
        is_odd=None if is_odd is None else is_odd.format(sql),
        is_binary=type_name == "BLOB",
    )


def _made_of_others(type_name: str) -> tuple[Kind, str, None]:
    """Returns how decimals and nested types are read; any other is its text."""
    decimal = _DECIMAL.match(type_name)
    if decimal is not None:
        kind = kind_of_decimal(int(decimal[1]), int(decimal[2]))
        return kind, _TEXT if kind is Kind.STRING else "{0}", None
    if type_name.startswith(_NESTED) or type_name.endswith("]"):
        return Kind.JSON, "CAST(to_json({0}) AS VARCHAR)", None
    return Kind.STRING, _TEXT, None


def read_array(column: SourceColumn, values: pa.Array, odd: pa.Array | None) -> pa.Array:
    """Returns a column as the engine takes it: of its kind, or as text where a value is odd."""
    wanted = arrow_type(column.kind)
    if odd is not None and odd.null_count < len(odd):
        return pc.coalesce(odd, values.cast(pa.string()))
    if column.kind is Kind.JSON:
        return pa.ExtensionArray.from_storage(JSON_TYPE, values)
    if values.type == wanted or pa.types.is_string(values.type):
        return values
    return values.cast(wanted)


def judged(batch: pa.RecordBatch) -> pa.RecordBatch | list[dict[str, Any]]:
    """Returns a batch; as rows if JSON in it holds NaN or infinity, which DuckDB takes for JSON.

    The engine judges rows value by value, and records what it changes.
    """
    texts = [
        array.storage if isinstance(array.type, pa.JsonType) else None for array in batch.columns
    ]
    if not any(_may_be_wrong(array) for array in texts if array is not None):
        return batch
    columns = [
        array.to_pylist()
        if text is None
        else [
            None if each is None else json.loads(each, parse_float=Decimal)
            for each in text.to_pylist()
        ]
        for array, text in zip(batch.columns, texts, strict=True)
    ]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _may_be_wrong(texts: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern="NaN|Infinity")).as_py())
