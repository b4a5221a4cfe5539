"""The table of type rules."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from penstock.data.types import (
    JSON_TYPE,
    Column,
    Kind,
    arrow_type,
    columns_of,
    json_schema_of,
    kind_of_arrow,
    kind_of_schema,
    stream_schema,
    widened,
)

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (STRING, Kind.STRING),
        ({"type": ["null", "string"]}, Kind.STRING),
        ({"type": "string", "contentEncoding": "base64"}, Kind.STRING),
        ({"type": "string", "format": "uuid"}, Kind.STRING),
        ({"type": "boolean"}, Kind.BOOLEAN),
        (INTEGER, Kind.INTEGER),
        ({"type": "number", "airbyte_type": "integer"}, Kind.INTEGER),
        ({"type": "string", "airbyte_type": "big_integer"}, Kind.BIG_INTEGER),
        ({"type": "number"}, Kind.NUMBER),
        ({"type": ["integer", "number"]}, Kind.NUMBER),
        ({"type": "number", "airbyte_type": "big_number"}, Kind.DECIMAL),
        ({"type": "string", "format": "date"}, Kind.DATE),
        ({"type": "string", "format": "date-time"}, Kind.TIMESTAMP_TZ),
        (
            {
                "type": "string",
                "format": "date-time",
                "airbyte_type": "timestamp_without_timezone",
            },
            Kind.TIMESTAMP,
        ),
        ({"type": "string", "airbyte_type": "time_without_timezone"}, Kind.TIME),
        ({"type": "string", "airbyte_type": "time_with_timezone"}, Kind.STRING),
        ({"type": "object"}, Kind.JSON),
        ({"type": "array", "items": STRING}, Kind.JSON),
        ({}, Kind.JSON),
        (True, Kind.JSON),
        ({"type": "null"}, Kind.JSON),
        ({"type": ["string", "integer"]}, Kind.STRING),
        ({"type": ["boolean", "integer"]}, Kind.JSON),
        ({"type": ["string", "object"]}, Kind.JSON),
        ({"oneOf": [STRING, {"type": "null"}]}, Kind.STRING),
        ({"anyOf": [STRING, INTEGER]}, Kind.STRING),
        ({"oneOf": [{"type": "object"}, STRING]}, Kind.JSON),
        ({"$ref": "WellKnownTypes.json#/definitions/TimestampWithTimezone"}, Kind.TIMESTAMP_TZ),
        ({"$ref": "#/definitions/mine"}, Kind.JSON),
    ],
    ids=str,
)
def test_a_json_schema_has_one_kind(schema: Any, kind: Kind) -> None:
    assert kind_of_schema(schema) is kind


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_survives_the_way_through_json_schema(kind: Kind) -> None:
    assert kind_of_schema(json_schema_of(kind)) is kind


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_survives_the_way_through_arrow(kind: Kind) -> None:
    assert kind_of_arrow(arrow_type(kind)) is kind


@pytest.mark.parametrize(
    ("data_type", "kind"),
    [
        (pa.int8(), Kind.INTEGER),
        (pa.uint32(), Kind.INTEGER),
        (pa.uint64(), Kind.BIG_INTEGER),
        (pa.float32(), Kind.NUMBER),
        (pa.decimal128(18, 4), Kind.DECIMAL),
        (pa.decimal128(20, 0), Kind.BIG_INTEGER),
        (pa.timestamp("ns"), Kind.TIMESTAMP),
        (pa.timestamp("s", tz="Asia/Kolkata"), Kind.TIMESTAMP_TZ),
        (pa.date64(), Kind.DATE),
        (pa.time32("s"), Kind.TIME),
        (pa.list_(pa.int64()), Kind.JSON),
        (pa.struct([("a", pa.int64())]), Kind.JSON),
        (pa.map_(pa.string(), pa.int64()), Kind.JSON),
        (pa.dictionary(pa.int32(), pa.string()), Kind.STRING),
        (pa.large_string(), Kind.STRING),
        (pa.binary(), Kind.STRING),
        (pa.uuid(), Kind.STRING),
        (JSON_TYPE, Kind.JSON),
    ],
    ids=str,
)
def test_an_arrow_type_has_one_kind(data_type: pa.DataType, kind: Kind) -> None:
    assert kind_of_arrow(data_type) is kind


def test_columns_keep_the_schemas_order() -> None:
    schema = {"type": "object", "properties": {"b": INTEGER, "a": STRING}}
    assert columns_of(schema) == (
        Column(name="b", kind=Kind.INTEGER),
        Column(name="a", kind=Kind.STRING),
    )


def test_a_stream_schema_gives_its_columns_back() -> None:
    columns = tuple(Column(name=f"c_{kind}", kind=kind) for kind in Kind)
    assert columns_of(stream_schema(columns)) == columns


@pytest.mark.parametrize("old", Kind)
@pytest.mark.parametrize("new", Kind)
def test_widening_does_not_depend_on_the_order(old: Kind, new: Kind) -> None:
    assert widened(old, new) is widened(new, old)


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_widened_by_itself_stays(kind: Kind) -> None:
    assert widened(kind, kind) is kind
