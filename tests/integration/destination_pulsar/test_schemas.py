"""Topics have the schema of their stream, which grows and is never broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pulsar
import pytest
from pulsar.schema import AvroSchema

from penstock.data.types import Kind
from penstock.destinations.pulsar import PulsarDestination
from penstock.errors import ConfigError
from penstock.sdk.destination import ColumnPlan, Normalisation, StreamPlan, TableName, WriteMode
from penstock.testing import expect
from penstock.testing.cases.values import value_cases
from penstock.testing.cells import Row
from penstock.testing.lab import plan_for
from tests.integration.destination_pulsar.conftest import Place, load
from tests.servers.pulsar import found_in, url_of

_OWN = {"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id"}


def typed(kinds: Mapping[str, Kind], mode: WriteMode = WriteMode.APPEND) -> StreamPlan:
    return plan_for(TableName(schema=None, name="visits"), kinds, mode, key=["id"])


def fields_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {f["name"]: f["type"] for f in definition["fields"] if f["name"] not in _OWN}


def test_the_schema_of_a_topic_is_that_of_the_stream(place: Place) -> None:
    plan = typed({f"c_{kind}": kind for kind in Kind})
    load(PulsarDestination(place.config()), plan, [])
    [(number, definition)] = place.gate.schemas[place.topic("visits")]
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 38}
    assert number == 4
    assert (definition["type"], definition["name"]) == ("record", "visits")
    assert fields_of(definition) == {
        "c_string": ["null", "string"],
        "c_boolean": ["null", "boolean"],
        "c_integer": ["null", "long"],
        "c_big_integer": ["null", {**decimal, "scale": 0}],
        "c_number": ["null", "double"],
        "c_decimal": ["null", {**decimal, "scale": 9}],
        "c_date": ["null", {"type": "int", "logicalType": "date"}],
        "c_timestamp_tz": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
        "c_timestamp": ["null", {"type": "long", "logicalType": "local-timestamp-micros"}],
        "c_time": ["null", {"type": "long", "logicalType": "time-micros"}],
        "c_json": ["null", "string"],
    }
    assert all(f["default"] is None for f in definition["fields"] if f["name"] not in _OWN)


def test_a_consumer_with_avro_has_the_values(place: Place) -> None:
    kinds = {f"c_{kind}": kind for kind in Kind}
    row: Row = {
        "c_string": "पुणे",
        "c_boolean": False,
        "c_integer": 2**53 + 1,
        "c_big_integer": -(10**37),
        "c_number": 0.1,
        "c_decimal": Decimal("19.99"),
        "c_date": 19_000,
        "c_timestamp_tz": 1_700_000_000_123_457,
        "c_timestamp": 1_700_000_000_123_457,
        "c_time": 1,
        "c_json": '{"a": [1]}',
    }
    load(PulsarDestination(place.config()), typed(kinds), [row])
    definition = place.gate.schemas[place.topic("visits")][0][1]
    client = pulsar.Client(
        url_of(place.gate), logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null")
    )
    reader = client.create_reader(
        place.topic("visits"),
        pulsar.MessageId.earliest,
        schema=AvroSchema(None, json.loads(json.dumps(definition))),
    )
    value = reader.read_next(10_000).value()
    client.close()
    moment = datetime(2023, 11, 14, 22, 13, 20, 123_457, tzinfo=UTC)
    assert {name: found for name, found in value.items() if name not in _OWN} == {
        **row,
        "c_big_integer": Decimal(-(10**37)),
        "c_date": date(2022, 1, 8),
        "c_timestamp_tz": moment,
        "c_timestamp": moment.replace(tzinfo=None),
        "c_time": time(0, 0, 0, 1),
    }


def test_every_value_comes_back_from_json(place: Place) -> None:
    # Beyond the years 1 to 9999 a text is no date to Python.
    cases = [case for case in value_cases() if not str(case).endswith(("44 BC", "year 12000"))]
    kinds = {f"c{number}": case.kind for number, case in enumerate(cases)}
    row: Row = {f"c{number}": case.cell for number, case in enumerate(cases)}
    config = place.config(encoding="json", send_seconds=20)
    load(PulsarDestination(config), typed(kinds), [row, {}])
    messages = place.read("visits")
    assert all(isinstance(json.loads(m.content or b""), dict) for m in messages)
    found = found_in(messages)
    expect.rows_equal([row, {}], found, kinds, what="JSON", native=frozenset(Kind))


def test_the_schema_of_json_says_what_json_has(place: Place) -> None:
    kinds = {
        "id": Kind.INTEGER,
        "amount": Kind.DECIMAL,
        "at": Kind.TIMESTAMP_TZ,
        "is": Kind.BOOLEAN,
    }
    row: Row = {"id": 2**63 - 1, "amount": Decimal("0.1"), "at": 0, "is": False}
    load(PulsarDestination(place.config(encoding="json")), typed(kinds), [row])
    [(number, definition)] = place.gate.schemas[place.topic("visits")]
    assert number == 2
    assert fields_of(definition) == {
        "id": ["null", "long"],
        "amount": ["null", "string"],
        "at": ["null", "string"],
        "is": ["null", "boolean"],
    }
    [message] = place.read("visits")
    values = json.loads(message.content or b"")
    assert {name: values[name] for name in kinds} == {
        "id": 2**63 - 1,
        "amount": "0.100000000",
        "at": "1970-01-01T00:00:00.000000Z",
        "is": False,
    }


def test_raw_rows_are_json_without_a_schema(place: Place) -> None:
    plan = replace(typed({}), columns=(), normalisation=Normalisation.RAW, sync_id=7)
    text = '{"id": 9007199254740993, "amount": 0.12345678901234567890}'
    load(PulsarDestination(place.config()), plan, [{"_airbyte_data": text}])
    [message] = place.read("visits")
    assert place.gate.schemas == {}
    assert b'"amount":0.12345678901234567890' in (message.content or b"").replace(b" ", b"")
    values = json.loads(message.content or b"")
    assert values["_airbyte_data"]["id"] == 9007199254740993
    assert values["_airbyte_meta"] == {"sync_id": 7, "changes": []}


def test_a_column_more_is_a_version_more(place: Place) -> None:
    destination = PulsarDestination(place.config())
    load(destination, typed({"id": Kind.INTEGER}), [{"id": 1}])
    load(destination, typed({"id": Kind.INTEGER, "late": Kind.STRING}), [{"id": 2, "late": "x"}])
    load(destination, typed({"id": Kind.INTEGER}), [{"id": 3}])
    assert len(place.gate.schemas[place.topic("visits")]) == 2
    found = found_in(place.read("visits"))
    assert [(row["id"].cell, row["late"].cell) for row in found] == [(1, None), (2, "x"), (3, None)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Kind.INTEGER, Kind.STRING),
        (Kind.BIG_INTEGER, Kind.DECIMAL),
        (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ),
        (Kind.INTEGER, Kind.TIMESTAMP_TZ),
    ],
)
def test_a_column_of_another_kind_is_refused_before_a_row_is_sent(
    place: Place, old: Kind, new: Kind
) -> None:
    destination = PulsarDestination(place.config())
    load(destination, typed({"id": Kind.INTEGER, "value": old}), [{"id": 1}])
    sent = place.gate.sent
    with pytest.raises(ConfigError, match=f"value is {new} now; .* it is {old}") as refused:
        load(destination, typed({"id": Kind.INTEGER, "value": new}), [{"id": 2}])
    assert place.gate.sent == sent
    assert "topic" in refused.value.remedy


def test_a_schema_of_somebody_else_that_does_not_fit_is_told(place: Place) -> None:
    theirs = {"type": "record", "name": "theirs", "fields": [{"name": "id", "type": "int"}]}
    place.gate.schemas[place.topic("visits")] = [(4, theirs)]
    with pytest.raises(ConfigError, match="IncompatibleSchema") as refused:
        load(PulsarDestination(place.config()), typed({"id": Kind.INTEGER}), [{"id": 1}])
    assert "schema-compatibility" in refused.value.remedy
    assert place.gate.sent == 0


def test_names_that_avro_does_not_have_are_mended_and_told(place: Place) -> None:
    plan = typed({"id": Kind.INTEGER})
    odd = [("2nd place", "2nd place"), ("a-b", "a_b"), ("पुणे", "pune")]
    columns = [ColumnPlan(source=s, name=n, kind=Kind.STRING) for s, n in odd]
    plan = replace(plan, columns=(*plan.columns, *columns))
    load(PulsarDestination(place.config()), plan, [{"id": 1, "a_b": "x"}])
    fields = place.gate.schemas[place.topic("visits")][0][1]["fields"]
    named = {f["name"]: (f.get("column"), f.get("property")) for f in fields}
    mended = next(name for name in named if name.startswith("_2nd_place_"))
    assert named[mended] == ("2nd place", None)
    assert named["a_b"] == (None, "a-b")
    assert named["pune"] == (None, "पुणे")


def test_a_stream_without_rows_has_a_topic_with_its_schema(
    opened: Callable[..., Place],
) -> None:
    place = opened()
    plan = typed({"id": Kind.INTEGER})
    with PulsarDestination(place.config()).open(plan) as writer:
        assert writer.finish(None) == 0
    assert place.topic("visits") in place.gate.schemas
