"""Names of topics and fields: what Pulsar and Avro do not have is mended, and stays different."""

from __future__ import annotations

import re

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.destinations.pulsar.topics import avro_name, topic_of
from penstock.sdk.destination import TableName

_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("schema", "pattern", "topic"),
    [
        ("shop", "{namespace}.{stream}", "shop.visits"),
        (None, "{namespace}.{stream}", "visits"),
        (None, "raw-{namespace}-{stream}-v2", "raw-visits-v2"),
        ("shop", "{stream}", "visits"),
        (None, "{stream}{namespace}", "visits"),
    ],
)
def test_a_pattern_gives_the_topic(schema: str | None, pattern: str, topic: str) -> None:
    assert topic_of(TableName(schema=schema, name="visits"), pattern) == topic


@given(name=_names)
def test_every_topic_is_one_that_pulsar_takes(name: str) -> None:
    topic = topic_of(TableName(schema=None, name=name), "p.{stream}")
    assert re.fullmatch(r"[A-Za-z0-9=:._-]+", topic)


@given(one=_names, other=_names)
def test_names_that_differ_stay_different(one: str, other: str) -> None:
    assert (avro_name(one) == avro_name(other)) is (one == other)


@given(name=_names)
def test_every_field_is_one_that_avro_takes(name: str) -> None:
    field = {"name": avro_name(name), "type": "string"}
    fastavro.parse_schema({"type": "record", "name": avro_name(name), "fields": [field]})


@pytest.mark.parametrize("name", ["id", "_1st", "MixedCase", "_airbyte_raw_id"])
def test_a_name_that_avro_has_stays(name: str) -> None:
    assert avro_name(name) == name
