"""The one table of type rules: JSON Schema (with Airbyte's types) to Arrow and back.

| JSON Schema / `airbyte_type`                   | kind          | Arrow               |
|------------------------------------------------|---------------|---------------------|
| string (any other format)                      | STRING        | string              |
| boolean                                        | BOOLEAN       | bool                |
| integer; number + airbyte_type integer         | INTEGER       | int64               |
| big_integer                                    | BIG_INTEGER   | decimal128(38, 0)   |
| number                                         | NUMBER        | float64             |
| big_number                                     | DECIMAL       | decimal128(38, 9)   |
| string, format date                            | DATE          | date32              |
| date-time (default), timestamp_with_timezone   | TIMESTAMP_TZ  | timestamp[us, UTC]  |
| timestamp_without_timezone                     | TIMESTAMP     | timestamp[us]       |
| time_without_timezone                          | TIME          | time64[us]          |
| time_with_timezone                             | STRING        | string              |
| object, array, no or unknown type, mixed union | JSON          | arrow.json (string) |

A union of scalars with a string is STRING; {integer, number} is NUMBER; null is ignored.
A number is a double, as RFC 8259 §6 makes interoperable: a literal that a double does not give
back (more than 17 significant digits) is rounded *and recorded* as TRUNCATED.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, assert_never

import pyarrow as pa


class Kind(StrEnum):
    """What a column holds; each has exactly one Arrow type on its way through penstock."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    BIG_INTEGER = "big_integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP_TZ = "timestamp_tz"
    TIMESTAMP = "timestamp"
    TIME = "time"
    JSON = "json"


JSON_TYPE: Final = pa.json_(pa.string())
"""JSON text, as Arrow's canonical `arrow.json` extension: DuckDB and Parquet know it."""

_DECIMAL_DIGITS: Final = 38
_DECIMAL_PLACES: Final = 9

_ARROW: Final[dict[Kind, pa.DataType]] = {
    Kind.STRING: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.BIG_INTEGER: pa.decimal128(_DECIMAL_DIGITS, 0),
    Kind.NUMBER: pa.float64(),
    Kind.DECIMAL: pa.decimal128(_DECIMAL_DIGITS, _DECIMAL_PLACES),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP_TZ: pa.timestamp("us", tz="UTC"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIME: pa.time64("us"),
    Kind.JSON: JSON_TYPE,
}

_SCHEMA: Final[dict[Kind, dict[str, Any]]] = {
    Kind.STRING: {"type": "string"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.INTEGER: {"type": "integer"},
    Kind.BIG_INTEGER: {"type": "integer", "airbyte_type": "big_integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.DECIMAL: {"type": "number", "airbyte_type": "big_number"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.TIMESTAMP_TZ: {
        "type": "string",
        "format": "date-time",
        "airbyte_type": "timestamp_with_timezone",
    },
    Kind.TIMESTAMP: {
        "type": "string",
        "format": "date-time",
        "airbyte_type": "timestamp_without_timezone",
    },
    Kind.TIME: {"type": "string", "format": "time", "airbyte_type": "time_without_timezone"},
    Kind.JSON: {},
}

_AIRBYTE_TYPES: Final[dict[str, Kind]] = {
    "timestamp_with_timezone": Kind.TIMESTAMP_TZ,
    "timestamp_without_timezone": Kind.TIMESTAMP,
    "time_with_timezone": Kind.STRING,
    "time_without_timezone": Kind.TIME,
    "integer": Kind.INTEGER,
    "big_integer": Kind.BIG_INTEGER,
    "big_number": Kind.DECIMAL,
}

_WELL_KNOWN: Final[dict[str, Kind]] = {
    "String": Kind.STRING,
    "BinaryData": Kind.STRING,
    "Date": Kind.DATE,
    "TimestampWithTimezone": Kind.TIMESTAMP_TZ,
    "TimestampWithoutTimezone": Kind.TIMESTAMP,
    "TimeWithTimezone": Kind.STRING,
    "TimeWithoutTimezone": Kind.TIME,
    "Number": Kind.NUMBER,
    "Integer": Kind.INTEGER,
    "Boolean": Kind.BOOLEAN,
}
"""`well_known_types.yaml` of the abandoned v1 scheme: read, never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One top-level property of a stream: its name as the source writes it, and its kind."""

    name: str
    kind: Kind

    @property
    def arrow_type(self) -> pa.DataType:
        return _ARROW[self.kind]


def arrow_type(kind: Kind) -> pa.DataType:
    """Returns the Arrow type that columns of this kind have between reader and writer."""
    return _ARROW[kind]


def kind_of_arrow(data_type: pa.DataType) -> Kind:
    """Returns the kind whose values can hold every value of an Arrow type without loss."""
    if data_type == JSON_TYPE or isinstance(data_type, pa.JsonType):
        return Kind.JSON
    if isinstance(data_type, pa.BaseExtensionType):
        return kind_of_arrow(data_type.storage_type)
    if pa.types.is_dictionary(data_type):
        return kind_of_arrow(data_type.value_type)
    return _kind_of_plain_arrow(data_type)


def _kind_of_plain_arrow(data_type: pa.DataType) -> Kind:  # noqa: PLR0911
    types = pa.types
    if types.is_boolean(data_type):
        return Kind.BOOLEAN
    if types.is_uint64(data_type):
        return Kind.BIG_INTEGER
    if types.is_integer(data_type):
        return Kind.INTEGER
    if types.is_floating(data_type):
        return Kind.NUMBER
    if types.is_decimal(data_type):
        return Kind.BIG_INTEGER if data_type.scale == 0 else Kind.DECIMAL
    if types.is_date(data_type):
        return Kind.DATE
    if types.is_timestamp(data_type):
        return Kind.TIMESTAMP_TZ if data_type.tz else Kind.TIMESTAMP
    if types.is_time(data_type):
        return Kind.TIME
    if types.is_nested(data_type):
        return Kind.JSON
    return Kind.STRING


def kind_of_decimal(digits: int, places: int) -> Kind:
    """Returns the kind that holds every decimal of so many digits; text where none does."""
    if places == 0:
        return Kind.BIG_INTEGER if digits <= _DECIMAL_DIGITS else Kind.STRING
    is_held = 0 < places <= _DECIMAL_PLACES and digits - places <= _DECIMAL_DIGITS - _DECIMAL_PLACES
    return Kind.DECIMAL if is_held else Kind.STRING


def json_schema_of(kind: Kind) -> dict[str, Any]:
    """Returns the JSON Schema of a nullable column of this kind."""
    schema = dict(_SCHEMA[kind])
    if "type" in schema:
        schema["type"] = ["null", schema["type"]]
    return schema


def stream_schema(columns: tuple[Column, ...]) -> dict[str, Any]:
    """Returns the JSON Schema of a stream with these columns."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {column.name: json_schema_of(column.kind) for column in columns},
    }


def columns_of(json_schema: Mapping[str, Any]) -> tuple[Column, ...]:
    """Returns the columns of a stream's JSON Schema, in the schema's own order."""
    properties = json_schema.get("properties")
    if not isinstance(properties, Mapping):
        return ()
    return tuple(
        Column(name=name, kind=kind_of_schema(schema)) for name, schema in properties.items()
    )


def kind_of_schema(schema: Any) -> Kind:
    """Returns the kind of one property's JSON Schema; what is not understood is JSON."""
    if not isinstance(schema, Mapping):
        return Kind.JSON
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _WELL_KNOWN.get(reference.rsplit("/", 1)[-1], Kind.JSON)
    for word in ("oneOf", "anyOf"):
        branches = schema.get(word)
        if isinstance(branches, list) and branches:
            return _union([kind_of_schema(branch) for branch in branches if not _is_null(branch)])
    airbyte = schema.get("airbyte_type")
    if isinstance(airbyte, str) and airbyte in _AIRBYTE_TYPES:
        return _AIRBYTE_TYPES[airbyte]
    declared = schema.get("type")
    names = declared if isinstance(declared, list) else [declared]
    return _union([_kind_of_name(name, schema) for name in names if name != "null"])


def _is_null(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") in ("null", ["null"])


def _kind_of_name(name: Any, schema: Mapping[str, Any]) -> Kind:
    match name:
        case "string":
            return _kind_of_string(schema)
        case "boolean":
            return Kind.BOOLEAN
        case "integer":
            return Kind.INTEGER
        case "number":
            return Kind.NUMBER
        case _:
            return Kind.JSON


def _kind_of_string(schema: Mapping[str, Any]) -> Kind:
    match schema.get("format"):
        case "date":
            return Kind.DATE
        case "date-time":
            return Kind.TIMESTAMP_TZ
        case _:
            return Kind.STRING


def _union(kinds: list[Kind]) -> Kind:
    distinct = set(kinds)
    if not distinct or Kind.JSON in distinct:
        return Kind.JSON
    if len(distinct) == 1:
        return distinct.pop()
    if distinct == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    if Kind.STRING in distinct or distinct & _TEMPORAL:
        return Kind.STRING
    return Kind.JSON


_TEMPORAL: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ, Kind.TIME})


def widened(old: Kind, new: Kind) -> Kind:
    """Returns the kind that holds the values of both without loss: the widening of a column."""
    if old is new:
        return old
    pair = frozenset({old, new})
    for members, wider in _WIDENINGS:
        if pair == members:
            return wider
    return Kind.JSON if Kind.JSON in pair else Kind.STRING


_WIDENINGS: Final = (
    (frozenset({Kind.INTEGER, Kind.BIG_INTEGER}), Kind.BIG_INTEGER),
    (frozenset({Kind.INTEGER, Kind.DECIMAL}), Kind.DECIMAL),
    (frozenset({Kind.INTEGER, Kind.NUMBER}), Kind.NUMBER),
    (frozenset({Kind.NUMBER, Kind.DECIMAL}), Kind.NUMBER),
)


def kind_is_exact_text(kind: Kind) -> bool:
    """Tells whether values of this kind travel as their own text, so that nothing can misfit."""
    match kind:
        case Kind.STRING | Kind.JSON:
            return True
        case (
            Kind.BOOLEAN
            | Kind.INTEGER
            | Kind.BIG_INTEGER
            | Kind.NUMBER
            | Kind.DECIMAL
            | Kind.DATE
            | Kind.TIMESTAMP_TZ
            | Kind.TIMESTAMP
            | Kind.TIME
        ):
            return False
        case _:
            assert_never(kind)
